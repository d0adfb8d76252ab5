package remote

import (
	"context"
	"errors"
	"fmt"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// Both sides announce with this property that they know notices about open admissions, as
// docs/spec/admissions.md specifies.
const (
	keepProperty = "X-Zap-Admissions"
	keepVersion  = "1"
)

// announcement has the property that both sides announce.
var announcement = zap.Metadata{{Name: keepProperty, Value: keepVersion}}

// knowsNotices reports whether the peer of a connection knows notices.
func knowsNotices(conn *zmtp.Conn) bool { return conn.Claims().Get(keepProperty) == keepVersion }

// Names of notices. They are where a ZAP message has its version.
const (
	noticeKeep    = "KEEP"    // from the service: watch this admission
	noticeResume  = "RESUME"  // from the service: continue to watch an admission, on this connection
	noticeRelease = "RELEASE" // from the service: the client has left
	noticeEnd     = "END"     // from the server: the client must leave
)

// admissionID identifies an open admission. The service chooses it at random.
type admissionID [16]byte

// notice is a message about an open admission.
type notice struct {
	name string
	id   admissionID
	rest [][]byte // what follows the id
}

// errNotice means that a notice is malformed.
var errNotice = errors.New("malformed notice")

// parseNotice parses the frames of a notice, which it refers to. found is false for a message
// of ZAP. With an error, the id is known unless it is zero.
func parseNotice(frames [][]byte) (n notice, found bool, err error) {
	if len(frames) < 2 || len(frames[0]) > 0 {
		return n, false, nil
	}
	least, most := 0, 0 // frames after the id
	switch n.name = string(frames[1]); n.name {
	case noticeKeep:
		least, most = 6, len(frames)
	case noticeEnd:
		least, most = 2, 2
	case noticeResume, noticeRelease:
	default:
		return n, false, nil
	}
	if len(frames) < 3 || len(frames[2]) != len(n.id) {
		return n, true, fmt.Errorf("%w %s: no id of %d bytes", errNotice, n.name, len(n.id))
	}
	n.id, n.rest = admissionID(frames[2]), frames[3:]
	if len(n.rest) < least || len(n.rest) > most {
		return n, true, fmt.Errorf("%w %s: %d frames after the id", errNotice, n.name, len(n.rest))
	}
	return n, true, nil
}

// appendNotice returns the frames of a notice.
func appendNotice(name string, id admissionID, rest ...[]byte) [][]byte {
	return append([][]byte{nil, []byte(name), id[:]}, rest...)
}

// appendKeep returns the frames of KEEP, which refer to the request.
func appendKeep(id admissionID, req *zap.Request, reply zap.Reply) ([][]byte, error) {
	request, err := zap.AppendRequest(nil, nil, req)
	if err != nil {
		return nil, err
	}
	metadata, err := reply.Metadata.Append(nil)
	if err != nil {
		return nil, err
	}
	return append(appendNotice(noticeKeep, id, []byte(reply.UserID), metadata), request[3:]...), nil
}

// keep returns the request and the reply of KEEP. The request refers to the frames.
func (n *notice) keep(asker string) (req *zap.Request, reply zap.Reply, err error) {
	accept := zap.HandlerFunc(func(_ context.Context, r *zap.Request) zap.Reply {
		req = r
		return zap.Allow("")
	})
	if _, err = zap.Answer(context.Background(), accept, asker, zapFrames(n.rest[2:]...)); err == nil {
		_, reply, err = zap.ParseReply(zapFrames([]byte("200"), []byte("OK"), n.rest[0], n.rest[1]))
	}
	if err != nil {
		return nil, zap.Reply{}, fmt.Errorf("%w %s: %w", errNotice, n.name, err)
	}
	return req, reply, nil
}

// end returns the reply of END.
func (n *notice) end() (zap.Reply, error) {
	_, reply, err := zap.ParseReply(zapFrames(n.rest[0], n.rest[1], nil, nil))
	if err == nil && reply.Status == zap.StatusOK {
		err = errors.New("status 200")
	}
	if err != nil {
		return zap.Reply{}, fmt.Errorf("%w %s: %w", errNotice, n.name, err)
	}
	return reply, nil
}

// appendEnd returns the frames of END.
func appendEnd(id admissionID, reply zap.Reply) [][]byte {
	return appendNotice(noticeEnd, id, fmt.Append(nil, int(reply.Status)), []byte(reply.Text))
}

// sizeOf returns the size of a message in bytes.
func sizeOf(frames [][]byte) (n int) {
	for _, frame := range frames {
		n += len(frame)
	}
	return n
}

// zapFrames returns the frames of a ZAP message with these frames after the request id.
func zapFrames(body ...[]byte) [][]byte {
	return append([][]byte{nil, []byte("1.0"), nil}, body...)
}

// needsProof reports whether the credentials of a mechanism include a proof that is secret,
// such as a password. The others can be sent again.
func needsProof(mechanism string) bool {
	switch mechanism {
	case zap.Null, zap.Curve, zap.GSSAPI:
		return false
	}
	return true
}
