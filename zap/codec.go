package zap

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// version is the ZAP version frame.
const version = "1.0"

// maxString is the largest string field in octets (RFC 27, Message Format).
const maxString = 255

// maxCredential bounds one credentials frame. The longest that is used is a
// GSSAPI principal or a password, at most 255 octets by RFC 24.
const maxCredential = 1024

// maxCredentials bounds the number of credentials frames; PLAIN has two.
const maxCredentials = 16

var (
	// ErrRequest means that frames are no ZAP 1.0 request.
	ErrRequest = errors.New("zap: malformed request")
	// ErrReply means that frames are no ZAP 1.0 reply, or that a Reply can't
	// be written as one.
	ErrReply = errors.New("zap: malformed reply")
	// ErrVersion means that frames are of another version of ZAP.
	ErrVersion = errors.New("zap: version is not 1.0")
)

// Envelope is what stands around a request and comes back unchanged around its
// reply: the routing ids of the proxies on the way, outermost first, and the
// request id. The frames are those of the request, not copies.
type Envelope struct {
	RoutingIDs [][]byte
	RequestID  []byte
}

// ParseRequest takes a request apart, with any number of routing ids in front
// of its empty delimiter frame. The parts are those of frames, not copies.
//
// It returns ErrRequest, which for another version wraps ErrVersion too. With
// answer true the envelope is known all the same, and the asker waits: send
// StatusError. Without, there is nobody to answer.
func ParseRequest(frames [][]byte) (env Envelope, req *Request, answer bool, err error) {
	env, body, answer, err := parseEnvelope(frames)
	if err != nil {
		return env, nil, answer, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if len(body) < 4 {
		return env, nil, true, fmt.Errorf("%w: %d frames after the request id, expected 4 or more", ErrRequest, len(body))
	}
	req = &Request{
		Domain:      string(body[0]),
		Address:     string(body[1]),
		RoutingID:   body[2],
		Mechanism:   string(body[3]),
		Credentials: body[4:],
	}
	if err := req.check(); err != nil {
		return env, nil, true, err
	}
	return env, req, true, nil
}

// parseEnvelope splits frames into the envelope and what follows the request
// id. It reports whether there is an envelope to answer to.
func parseEnvelope(frames [][]byte) (env Envelope, body [][]byte, known bool, err error) {
	for i, f := range frames {
		if len(f) > 0 {
			continue
		}
		env.RoutingIDs = frames[:i:i]
		body = frames[i+1:]
		if len(body) < 2 {
			return env, nil, false, errors.New("no request id")
		}
		env.RequestID = body[1]
		if len(env.RequestID) > maxString {
			return env, nil, false, fmt.Errorf("request id of %d octets", len(env.RequestID))
		}
		if string(body[0]) != version {
			return env, nil, true, ErrVersion
		}
		return env, body[2:], true, nil
	}
	return env, nil, false, errors.New("no empty delimiter frame")
}

// check returns ErrRequest for a request that breaks RFC 27.
func (r *Request) check() error {
	for _, field := range [...]struct{ name, text string }{{"domain", r.Domain}, {"address", r.Address}, {"mechanism", r.Mechanism}} {
		if len(field.text) > maxString {
			return fmt.Errorf("%w: %s of %d octets", ErrRequest, field.name, len(field.text))
		}
		if !isText(field.text) {
			return fmt.Errorf("%w: %s is not printable ASCII", ErrRequest, field.name)
		}
	}
	if len(r.RoutingID) > maxString {
		return fmt.Errorf("%w: routing id of %d bytes", ErrRequest, len(r.RoutingID))
	}
	if err := r.checkCredentials(); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return nil
}

// checkCredentials checks number and size of the credentials frames that the
// mechanism asks for.
func (r *Request) checkCredentials() error {
	n := len(r.Credentials)
	ok := n <= maxCredentials
	switch r.Mechanism {
	case "":
		return errors.New("no mechanism")
	case Null:
		ok = n == 0
	case Plain:
		ok = n == 2
	case Curve:
		if ok = n == 1; ok && len(r.Credentials[0]) != 32 {
			return fmt.Errorf("CURVE key of %d octets, want 32", len(r.Credentials[0]))
		}
	case GSSAPI:
		ok = n == 1
	}
	if !ok {
		return fmt.Errorf("%d credentials frames for %s", n, r.Mechanism)
	}
	for _, c := range r.Credentials {
		if len(c) > maxCredential {
			return fmt.Errorf("credentials frame of %d octets", len(c))
		}
	}
	return nil
}

// AppendRequest appends the frames of a request in its envelope to dst. It
// returns ErrRequest for a request that ParseRequest would refuse, and dst
// unchanged.
func AppendRequest(dst [][]byte, env Envelope, req *Request) ([][]byte, error) {
	// It would be taken for the delimiter, and all that follows for something else.
	if slices.ContainsFunc(env.RoutingIDs, func(id []byte) bool { return len(id) == 0 }) {
		return dst, fmt.Errorf("%w: empty routing id", ErrRequest)
	}
	frames := appendEnvelope(dst, env)
	frames = append(frames, []byte(req.Domain), []byte(req.Address), req.RoutingID, []byte(req.Mechanism))
	frames = append(frames, req.Credentials...)
	if _, _, _, err := ParseRequest(frames[len(dst):]); err != nil {
		return dst, err
	}
	return frames, nil
}

// appendEnvelope appends everything up to the request id.
func appendEnvelope(dst [][]byte, env Envelope) [][]byte {
	dst = append(dst, env.RoutingIDs...)
	return append(dst, nil, []byte(version), env.RequestID)
}

// AppendReply appends the frames of a reply in the envelope of its request to
// dst. A reply that breaks RFC 27 would make libzmq drop the connection
// without a word; such a one is sent as StatusError, and ErrReply says what
// was wrong with it, for the log. User id and metadata go only with StatusOK.
func AppendReply(dst [][]byte, env Envelope, reply Reply) ([][]byte, error) {
	reply, err := checked(reply)
	return appendReply(dst, env, reply), err
}

// appendReply is AppendReply for a reply that has been checked.
func appendReply(dst [][]byte, env Envelope, reply Reply) [][]byte {
	return append(appendEnvelope(dst, env), strconv.AppendInt(nil, int64(reply.Status), 10), []byte(reply.Text),
		[]byte(reply.UserID), reply.Metadata.append(nil))
}

// check returns ErrReply for a reply that breaks RFC 27, or whose metadata has a
// name that isn't the handler's to give.
func (r *Reply) check() error {
	switch {
	case !r.Status.Valid():
		return fmt.Errorf("%w: status %d", ErrReply, r.Status)
	case len(r.Text) > maxString || !isText(r.Text):
		return fmt.Errorf("%w: text is not at most 255 octets of printable ASCII", ErrReply)
	case len(r.UserID) > maxString || !isText(r.UserID):
		return fmt.Errorf("%w: user id is not at most 255 octets of printable ASCII", ErrReply)
	}
	if err := r.Metadata.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrReply, err)
	}
	for _, p := range r.Metadata {
		if IsReserved(p.Name) {
			return fmt.Errorf("%w: metadata named %s, which is reserved", ErrReply, p.Name)
		}
	}
	return nil
}

// ParseReply takes a reply apart. The envelope and the metadata's values are
// those of frames, not copies. It returns ErrReply, which for another version
// wraps ErrVersion too.
func ParseReply(frames [][]byte) (Envelope, Reply, error) {
	env, body, _, err := parseEnvelope(frames)
	if err != nil {
		return env, Reply{}, fmt.Errorf("%w: %w", ErrReply, err)
	}
	if len(body) != 4 {
		return env, Reply{}, fmt.Errorf("%w: %d frames after the request id, want 4", ErrReply, len(body))
	}
	if len(body[0]) != 3 {
		return env, Reply{}, fmt.Errorf("%w: status of %d octets, want 3", ErrReply, len(body[0]))
	}
	status, err := strconv.Atoi(string(body[0]))
	if err != nil {
		return env, Reply{}, fmt.Errorf("%w: status %q", ErrReply, body[0])
	}
	reply := Reply{Status: Status(status), Text: string(body[1]), UserID: string(body[2])}
	if reply.Status != StatusOK && (len(body[2]) > 0 || len(body[3]) > 0) {
		return env, Reply{}, fmt.Errorf("%w: user id or metadata with status %d", ErrReply, status)
	}
	if reply.Metadata, err = ParseMetadata(body[3]); err != nil {
		return env, Reply{}, fmt.Errorf("%w: %w", ErrReply, err)
	}
	if err := reply.check(); err != nil {
		return env, Reply{}, err
	}
	return env, reply, nil
}

// isText reports whether s is printable ASCII.
func isText[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
