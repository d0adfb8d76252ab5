package zap

// For tests of the frames, which programs see as a whole only.

var (
	ErrReply    = errReply
	ErrVersion  = errVersion
	ErrMetadata = errMetadata
)

// Envelope is an envelope.
type Envelope struct {
	RoutingIDs [][]byte
	RequestID  []byte
}

func ParseRequest(frames [][]byte) (Envelope, *Request, bool, error) {
	env, req, canAnswer, err := parseRequest(frames)
	return Envelope{env.routingIDs, env.requestID}, req, canAnswer, err
}

func AppendReply(dst [][]byte, env Envelope, reply Reply) ([][]byte, error) {
	reply, err := checked(reply)
	return appendReply(dst, envelope{env.RoutingIDs, env.RequestID}, reply), err
}
