package zmq4

// arena copies received messages, which then belong to the program. Small messages share an
// allocation, so a message that the program keeps holds at most arenaSize bytes and
// arenaFrames frames of others. Its zero value is ready to use.
type arena struct {
	octets []byte
	frames [][]byte
}

const (
	arenaSize   = 4 << 10
	arenaFrames = 64
)

// copy copies a message behind one more frame, if prefix isn't nil.
func (a *arena) copy(prefix []byte, message [][]byte) [][]byte {
	n := len(message)
	if prefix != nil {
		n++
	}
	if n > cap(a.frames)-len(a.frames) {
		a.frames = make([][]byte, 0, max(arenaFrames, n))
	}
	first := len(a.frames)
	if prefix != nil {
		a.frames = append(a.frames, a.copyFrame(prefix))
	}
	for _, frame := range message {
		a.frames = append(a.frames, a.copyFrame(frame))
	}
	return a.frames[first:len(a.frames):len(a.frames)]
}

func (a *arena) copyFrame(frame []byte) []byte {
	if len(frame) > arenaSize/4 {
		owned := make([]byte, len(frame)) // and copy, without clearing it before
		copy(owned, frame)
		return owned
	}
	if len(frame) > cap(a.octets)-len(a.octets) {
		a.octets = make([]byte, 0, arenaSize)
	}
	begin := len(a.octets)
	a.octets = append(a.octets, frame...)
	return a.octets[begin:len(a.octets):len(a.octets)]
}
