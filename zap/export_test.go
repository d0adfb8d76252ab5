package zap

// For tests, which use parts of the frames. Programs use Answer.

var (
	ErrReply    = errReply
	ErrVersion  = errVersion
	ErrMetadata = errMetadata
)

// Envelope is envelope with exported fields.
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
