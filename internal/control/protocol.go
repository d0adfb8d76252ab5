package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/zcurve/zcurve/internal/monitor"
)

// Version is the version of the protocol.
const Version = 1

// The commands of a Request.
const (
	CommandStatus  = "status"
	CommandClients = "clients"
	CommandPending = "pending"
	CommandAdmit   = "admit"
	CommandDeny    = "deny"
	CommandAudit   = "audit"
)

// Limits of a request. The reply of a list has at most MaxLimit entries.
const (
	MaxRequest = 16 << 10 // bytes, with its envelope
	MaxLimit   = 1000

	defaultLimit = 100
	maxFrames    = 16
	maxText      = 1000 // bytes of a text in a request
	maxGroups    = 100
)

// Request asks a daemon for something. Which fields matter depends on the command.
type Request struct {
	Version int    `json:"version"`
	Command string `json:"command"`

	Search string `json:"search,omitempty"` // of clients and pending: a part of a name, key, fingerprint or address
	Sort   string `json:"sort,omitempty"`   // of clients: name, admitted or refused
	Limit  int    `json:"limit,omitempty"`  // of clients and pending: zero means 100

	Client string   `json:"client,omitempty"` // of admit and deny: a key or a fingerprint, of deny also a name
	Name   string   `json:"name,omitempty"`   // of admit
	Groups []string `json:"groups,omitempty"` // of admit
	Reason string   `json:"reason,omitempty"` // of deny

	State string `json:"state,omitempty"` // of audit: on or off
}

// The codes of an Error.
const (
	CodeMalformed = "malformed" // the request is not one of this protocol
	CodeNotFound  = "not found" // no such client
	CodeRefused   = "refused"   // the daemon is not configured for this change, or it would have no effect
	CodeFailed    = "failed"    // the daemon tried and failed
)

// Error says why a request failed.
type Error struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"` // what to do about it, for people
}

func (e *Error) Error() string { return e.Text }

func malformed(format string, args ...any) *Error {
	return &Error{Code: CodeMalformed, Text: "malformed request: " + fmt.Sprintf(format, args...)}
}

// Reply answers a request: it has a Result or an Error.
type Reply struct {
	Version int             `json:"version"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *Error          `json:"error,omitempty"`
}

// ParseRequest parses a request. The error is an *Error.
func ParseRequest(text []byte) (Request, error) {
	var r Request
	if !utf8.Valid(text) {
		return r, malformed("not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return r, malformed("%v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return r, malformed("more than one JSON object")
	}
	if r.Version != Version {
		return r, malformed("version %d: must be %d", r.Version, Version)
	}
	for _, text := range append([]string{r.Search, r.Client, r.Name, r.Reason}, r.Groups...) {
		if len(text) > maxText {
			return r, malformed("a text of %d bytes: the limit is %d", len(text), maxText)
		}
	}
	if len(r.Groups) > maxGroups {
		return r, malformed("%d groups: the limit is %d", len(r.Groups), maxGroups)
	}
	if r.Limit < 0 || r.Limit > MaxLimit {
		return r, malformed("limit %d: must be between 1 and %d", r.Limit, MaxLimit)
	}
	if r.Limit == 0 {
		r.Limit = defaultLimit
	}
	return r, r.check()
}

// check returns an error if the command is unknown or lacks a field.
func (r *Request) check() error {
	switch r.Command {
	case CommandStatus, CommandPending:
	case CommandClients:
		if r.Sort == "" {
			r.Sort = "name"
		}
		if !slices.Contains([]string{"name", "admitted", "refused"}, r.Sort) {
			return malformed("sort %q: must be name, admitted or refused", r.Sort)
		}
	case CommandAdmit:
		if r.Client == "" || r.Name == "" {
			return malformed("admit requires client and name")
		}
	case CommandDeny:
		if r.Client == "" {
			return malformed("deny requires client")
		}
	case CommandAudit:
		if r.State != "on" && r.State != "off" {
			return malformed("state %q: must be on or off", r.State)
		}
	default:
		return malformed("unknown command %q", r.Command)
	}
	return nil
}

// encodeReply returns the text of a reply with a result, or with an error.
func encodeReply(result any, err error) []byte {
	reply := Reply{Version: Version}
	if err == nil {
		reply.Result, err = encode(result)
	}
	if err != nil {
		if !errors.As(err, &reply.Error) {
			reply.Error = &Error{Code: CodeFailed, Text: err.Error()}
		}
	}
	text, _ := encode(reply) // which consists of what encode has returned, and of text
	return text
}

// encode returns a value in JSON, with keys as they are. Characters that a terminal could act on,
// which clients can have in their user names, are escaped.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // it would change keys, so that searching for them would fail
	err := encoder.Encode(v)
	return escape(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), err
}

// escape escapes the characters of a JSON text that cannot be printed, all of which are in strings.
func escape(text []byte) []byte {
	isHidden := func(r rune) bool { return !unicode.IsPrint(r) }
	if !bytes.ContainsFunc(text, isHidden) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		if !isHidden(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, "\\u%04x", unit)
		}
	}
	return b.Bytes()
}

// Clients is the result of clients and of pending.
type Clients struct {
	Clients []monitor.Client `json:"clients"`
	Total   int              `json:"total"`    // how many there are, beyond the limit
	AdmitTo string           `json:"admit_to"` // the keystore that admit and deny change, or ""
}

// Changed is the result of admit and of deny.
type Changed struct {
	Name        string        `json:"name,omitempty"` // in the keystore
	Key         string        `json:"key"`
	Fingerprint string        `json:"fingerprint"`
	Keystore    string        `json:"keystore"`
	Decision    *monitor.Last `json:"decision,omitempty"` // about the last request of the client, if the daemon knows one
}

// AuditState is the result of audit.
type AuditState struct {
	Audit string `json:"audit"` // on or off
}
