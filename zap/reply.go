package zap

import (
	"errors"
	"fmt"
)

// Status is the outcome of a request (RFC 27, Message Format).
type Status int

const (
	StatusOK       Status = 200 // admit the client
	StatusTryLater Status = 300 // no decision now: the connection is closed, and the client tries again
	StatusRefused  Status = 400 // refuse the client, which then does not try again with the same credentials
	StatusError    Status = 500 // the handler failed: refuse the client, which sees this status
)

// Reply is the answer to a request. The zero value is invalid; Ask returns StatusError
// instead. Plain data: don't change it while it is in use.
type Reply struct {
	Status   Status
	Text     string   // explains the status to an operator; printable ASCII, at most 255 bytes
	UserID   string   // the client's user id, with StatusOK only; printable ASCII, at most 255 bytes
	Metadata Metadata // of the user, for the server, with StatusOK only; without reserved names

	// Rule is the rule that decided, such as "policy.zpl:12", for logs. It is not part of
	// the frames.
	Rule string
	// Identity is the handler's name for the client, even if it is refused, for logs. It
	// is empty for an unknown client, and not part of the frames.
	Identity string
}

// Allow returns a reply of StatusOK that admits the client with this user id.
func Allow(userID string) Reply { return Reply{Status: StatusOK, Text: "OK", UserID: userID} }

// Refuse returns a reply of StatusRefused with a text that explains it.
func Refuse(text string) Reply { return Reply{Status: StatusRefused, Text: text} }

// errReply means that a reply breaks RFC 27.
var errReply = errors.New("malformed reply")

// check returns errReply if the reply breaks RFC 27 or its metadata has a reserved name.
func (r *Reply) check() error {
	switch r.Status {
	case StatusOK, StatusTryLater, StatusRefused, StatusError:
	default:
		return fmt.Errorf("%w: status %d", errReply, r.Status)
	}
	switch {
	case len(r.Text) > maxString || !isText(r.Text):
		return fmt.Errorf("%w: text is not at most 255 bytes of printable ASCII", errReply)
	case len(r.UserID) > maxString || !isText(r.UserID):
		return fmt.Errorf("%w: user id is not at most 255 bytes of printable ASCII", errReply)
	}
	if err := r.Metadata.check(); err != nil {
		return fmt.Errorf("%w: %w", errReply, err)
	}
	for _, p := range r.Metadata {
		if IsReserved(p.Name) {
			return fmt.Errorf("%w: metadata named %s, which is reserved", errReply, p.Name)
		}
	}
	return nil
}
