package zap

import (
	"errors"
	"fmt"
	"strconv"
)

// version is the contents of the version frame.
const version = "1.0"

// errVersion means that frames belong to another version of ZAP.
var errVersion = errors.New("version is not 1.0")

// envelope holds the frames in front of a request, which its reply repeats unchanged: the
// routing ids of the proxies in between, outermost first, and the request id.
type envelope struct {
	routingIDs [][]byte
	requestID  []byte
}

// parseRequest parses the frames of a request, with any number of routing ids before
// the empty delimiter frame. The results refer to the frames.
//
// If the error is ErrRequest and canAnswer is true, the envelope is known, and the asker
// waits for a reply.
func parseRequest(frames [][]byte) (env envelope, req *Request, canAnswer bool, err error) {
	env, body, canAnswer, err := parseEnvelope(frames)
	if err != nil {
		return env, nil, canAnswer, fmt.Errorf("%w: %w", ErrRequest, err)
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

// parseEnvelope splits frames into the envelope and the frames after the request id.
// known reports whether the envelope is complete, so that a reply is possible.
func parseEnvelope(frames [][]byte) (env envelope, body [][]byte, known bool, err error) {
	for i, f := range frames {
		if len(f) > 0 {
			continue
		}
		env.routingIDs = frames[:i:i]
		body = frames[i+1:]
		if len(body) < 2 {
			return env, nil, false, errors.New("no request id")
		}
		env.requestID = body[1]
		if len(env.requestID) > maxString {
			return env, nil, false, fmt.Errorf("request id of %d bytes", len(env.requestID))
		}
		if string(body[0]) != version {
			return env, nil, true, errVersion
		}
		return env, body[2:], true, nil
	}
	return env, nil, false, errors.New("no empty delimiter frame")
}

// appendEnvelope appends everything up to the request id.
func appendEnvelope(dst [][]byte, env envelope) [][]byte {
	dst = append(dst, env.routingIDs...)
	return append(dst, nil, []byte(version), env.requestID)
}

// AppendRequest appends the frames of a request to dst, beginning with the empty
// delimiter frame. The reply will have the same id, of at most 255 bytes. For a
// request that breaks RFC 27 it returns dst unchanged and ErrRequest.
func AppendRequest(dst [][]byte, id []byte, req *Request) ([][]byte, error) {
	if len(id) > maxString {
		return dst, fmt.Errorf("%w: request id of %d bytes", ErrRequest, len(id))
	}
	if err := req.check(); err != nil {
		return dst, err
	}
	dst = appendEnvelope(dst, envelope{requestID: id})
	dst = append(dst, []byte(req.Domain), []byte(req.Address), req.RoutingID, []byte(req.Mechanism))
	return append(dst, req.Credentials...), nil
}

// appendReply appends the frames of a valid reply.
func appendReply(dst [][]byte, env envelope, reply Reply) [][]byte {
	return append(appendEnvelope(dst, env), strconv.AppendInt(nil, int64(reply.Status), 10), []byte(reply.Text),
		[]byte(reply.UserID), reply.Metadata.append(nil))
}

// ParseReply parses the frames of a reply and returns the id of its request. It ignores
// frames before the empty delimiter frame. The id refers to frames, and can be known even
// if the rest of the reply is malformed.
func ParseReply(frames [][]byte) (id []byte, reply Reply, err error) {
	env, body, _, err := parseEnvelope(frames)
	if err != nil {
		return env.requestID, Reply{}, fmt.Errorf("zap: %w: %w", errReply, err)
	}
	if reply, err = parseReply(body); err != nil {
		return env.requestID, Reply{}, fmt.Errorf("zap: %w", err)
	}
	return env.requestID, reply, nil
}

// parseReply parses the frames after the request id.
func parseReply(body [][]byte) (Reply, error) {
	if len(body) != 4 {
		return Reply{}, fmt.Errorf("%w: %d frames after the request id, expected 4", errReply, len(body))
	}
	if len(body[0]) != 3 {
		return Reply{}, fmt.Errorf("%w: status of %d bytes, expected 3", errReply, len(body[0]))
	}
	status, err := strconv.Atoi(string(body[0]))
	if err != nil {
		return Reply{}, fmt.Errorf("%w: status %q", errReply, body[0])
	}
	reply := Reply{Status: Status(status), Text: string(body[1]), UserID: string(body[2])}
	if reply.Status != StatusOK && (len(body[2]) > 0 || len(body[3]) > 0) {
		return Reply{}, fmt.Errorf("%w: user id or metadata with status %d", errReply, status)
	}
	if reply.Metadata, err = parseMetadata(body[3]); err != nil {
		return Reply{}, fmt.Errorf("%w: %w", errReply, err)
	}
	if err := reply.check(); err != nil {
		return Reply{}, err
	}
	return reply, nil
}
