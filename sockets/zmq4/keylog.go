package zmq4

import (
	"io"
	"sync"
)

// WithInsecureKeyLog makes the CURVE connections of the socket insecure, for debugging. Each of
// them writes its keys to w, in one line, with which zcert decode can read a capture of the
// connection. See zmtp.Config.InsecureKeyLog. The socket logs that it has a key log, and the
// first error of w. If w is nil, no keys are logged. It has no effect with a Security of another package.
func WithInsecureKeyLog(w io.Writer) Option {
	return func(s *socket) {
		if w != nil {
			s.keys = &keyLog{Writer: w, socket: s}
		}
	}
}

// keyLog is the key log of a socket.
type keyLog struct {
	io.Writer
	socket *socket
	failed sync.Once
}

func (k *keyLog) Write(line []byte) (int, error) {
	n, err := k.Writer.Write(line)
	if err != nil && k.socket.log != nil {
		k.failed.Do(func() { k.socket.log.Printf("writing the key log failed: %v", err) })
	}
	return n, err
}
