package zap

import (
	"errors"
	"fmt"
	"log/slog"
)

// The security mechanisms of ZMTP, as named in requests (RFC 27).
const (
	Null   = "NULL"
	Plain  = "PLAIN"
	Curve  = "CURVE"
	GSSAPI = "GSSAPI"
)

// SASL mechanisms that have their own requests (docs/spec/sasl.md, Decisions). The
// credentials are the user name and the ClientKey of RFC 5802, which proves the password.
// With ScramSHA256Plus, they include the public key that the client has proved by CURVE.
const (
	ScramSHA256     = "SCRAM-SHA-256"
	ScramSHA256Plus = "SCRAM-SHA-256-PLUS"
)

const (
	// maxString is the largest size of a string in bytes (RFC 27, Message Format).
	maxString = 255
	// maxCredential bounds a frame of credentials. The longest credentials in use are a
	// GSSAPI principal and a password, which has up to 255 bytes (RFC 24).
	maxCredential = 1024
	// maxCredentials bounds the frames of credentials. PLAIN has two.
	maxCredentials = 16
)

// ErrRequest means that a request breaks RFC 27. No handler was asked about it.
var ErrRequest = errors.New("zap: malformed request")

// Request asks whether a client may connect. Its strings are printable ASCII of at
// most 255 bytes.
//
// A Request prints without its credentials, with every verb of fmt, in JSON and in
// slog. The exception is fmt with a Request in an unexported field of another type:
// do not print that.
//
// Plain data: don't change it while it is in use.
type Request struct {
	Domain      string   // the ZAP domain of the server; may be empty
	Address     string   // the client's IP address; for ipc empty, or libzmq's localhost:UID:GID:PID
	RoutingID   []byte   // of the server's socket, as libzmq sends it
	Mechanism   string   // Null, Plain, Curve, GSSAPI, ScramSHA256 or ScramSHA256Plus
	Credentials [][]byte `json:"-"` // proved or claimed by the mechanism; may contain a password

	// Asker is the service that sent the request to a daemon, for logs: its address, with
	// its user id if that is known. It is not part of the frames, and empty within one
	// process.
	Asker string
}

// CurveKey returns the client's public key. ok is false if the mechanism is not CURVE
// or the request is malformed.
func (r *Request) CurveKey() (key [32]byte, ok bool) {
	if r.Mechanism != Curve || len(r.Credentials) != 1 || len(r.Credentials[0]) != len(key) {
		return key, false
	}
	return [32]byte(r.Credentials[0]), true
}

// PlainLogin returns the user name and the password. ok is false if the mechanism is
// not PLAIN or the request is malformed.
func (r *Request) PlainLogin() (username string, password []byte, ok bool) {
	if r.Mechanism != Plain || len(r.Credentials) != 2 {
		return "", nil, false
	}
	return string(r.Credentials[0]), r.Credentials[1], true
}

// ScramLogin returns the user name, the ClientKey, and the client's public key, which is zero
// for ScramSHA256. ok is false if the mechanism is neither ScramSHA256 nor ScramSHA256Plus,
// or if the request is malformed. The handler must check the ClientKey.
func (r *Request) ScramLogin() (username string, clientKey, key [32]byte, ok bool) {
	switch n := len(r.Credentials); {
	case r.Mechanism == ScramSHA256 && n == 2:
	case r.Mechanism == ScramSHA256Plus && n == 3 && len(r.Credentials[2]) == len(key):
	default:
		return "", clientKey, key, false
	}
	if len(r.Credentials[1]) != len(clientKey) {
		return "", clientKey, key, false
	}
	if r.Mechanism == ScramSHA256Plus {
		key = [32]byte(r.Credentials[2])
	}
	return string(r.Credentials[0]), [32]byte(r.Credentials[1]), key, true
}

// Principal returns the client's GSSAPI principal. ok is false if the mechanism is not
// GSSAPI or the request is malformed.
func (r *Request) Principal() (name string, ok bool) {
	if r.Mechanism != GSSAPI || len(r.Credentials) != 1 {
		return "", false
	}
	return string(r.Credentials[0]), true
}

// Format writes the mechanism, the address and the domain, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%s from %q in domain %q", r.Mechanism, r.Address, r.Domain)
}

// LogValue returns the mechanism, the address, the domain, and the asker if there is
// one.
func (r Request) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("mechanism", r.Mechanism), slog.String("address", r.Address), slog.String("domain", r.Domain)}
	if r.Asker != "" {
		attrs = append(attrs, slog.String("asker", r.Asker))
	}
	return slog.GroupValue(attrs...)
}

// check returns ErrRequest if the request breaks RFC 27.
func (r *Request) check() error {
	for _, field := range [...]struct{ name, text string }{{"domain", r.Domain}, {"address", r.Address}, {"mechanism", r.Mechanism}} {
		if len(field.text) > maxString {
			return fmt.Errorf("%w: %s of %d bytes", ErrRequest, field.name, len(field.text))
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

// checkCredentials checks the number and the sizes of the frames that the mechanism
// requires.
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
			return fmt.Errorf("CURVE key of %d bytes, expected 32", len(r.Credentials[0]))
		}
	case GSSAPI:
		ok = n == 1
	case ScramSHA256, ScramSHA256Plus:
		_, _, _, ok = r.ScramLogin()
	}
	if !ok {
		return fmt.Errorf("%d credentials frames for %s", n, r.Mechanism)
	}
	for _, c := range r.Credentials {
		if len(c) > maxCredential {
			return fmt.Errorf("credentials frame of %d bytes", len(c))
		}
	}
	return nil
}

// isText reports whether s is printable ASCII.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
