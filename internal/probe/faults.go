package probe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// fault is why a stage failed, and what to do.
type fault struct {
	text, hint string
	temporary  bool // the stage may pass later
}

// Hints of several faults.
const (
	hintLog    = "see the log of the server"
	hintPort   = "check the port"
	hintLibzmq = "use a libzmq of version 4 or later on the other side"
)

// printable quotes what a peer sent if it could mislead a reader.
func printable(s string) string {
	if q := strconv.QuoteToASCII(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}

// refusedFault is that of a port where nobody listens.
var refusedFault = fault{"connection refused", "nobody listens there: check the address and the port, and that the server runs", true}

// dialFault says why no connection was made.
func dialFault(err error, at string) fault {
	text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "connecting to "+at+" failed: "), "\n", "; ")
	_, isName := errors.AsType[*net.DNSError](err)
	switch {
	case isName:
		return fault{text, "check the host name", true}
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault{text, refusedFault.hint, true}
	case errors.Is(err, syscall.ENOENT):
		return fault{text, "no such socket: check the path, and that the server runs", true}
	case errors.Is(err, syscall.EINVAL) && strings.HasPrefix(at, "ipc://"):
		return fault{text, "the path is too long: that of a socket has at most 107 bytes on Linux, and 103 on macOS", false}
	case errors.Is(err, syscall.EACCES):
		return fault{text, "the server's user must let you use its socket file", false}
	case isSilent(err):
		return fault{text, "no answer: check the address, and the firewall in between", true}
	}
	return fault{text, "check the address, and the network in between", true}
}

// greetingFault says why the greeting of a peer did not arrive. begin is what the peer has sent.
func greetingFault(begin []byte, err error) fault {
	if s := strangerIn(begin); s != nil {
		return fault{"the peer speaks " + s.name + ", not ZMTP", cmp.Or(s.hint, hintPort), false}
	}
	switch {
	case len(begin) == 0 && isSilent(err):
		return fault{"the peer accepts the connection and sends nothing", "it is stuck, or waits for another protocol: check the port, and the server's log", true}
	case len(begin) == 0:
		return fault{"the peer closed the connection at once", "it may be starting, stopping or at its limit of connections: see its log, and try again with --wait", true}
	case begin[0] != 0xff && len(begin) <= 2:
		return fault{"the peer speaks ZMTP 1.0, or not ZMTP", hintLibzmq, false}
	case begin[0] != 0xff || len(begin) >= 10 && begin[9]&1 == 0:
		return fault{fmt.Sprintf("the peer does not speak ZMTP: it began with %q", begin[:min(16, len(begin))]), hintPort, false}
	case isSilent(err):
		return fault{fmt.Sprintf("the peer stopped after %d bytes of its greeting", len(begin)), hintLog, true}
	}
	return fault{fmt.Sprintf("the peer closed the connection after %d bytes of its greeting", len(begin)), "it may have another mechanism, or no ZMTP 3: see its log", true}
}

// mechanismFault is that of a peer with another mechanism than this side wants.
func mechanismFault(theirs, want, but string) fault {
	f := fault{text: fmt.Sprintf("the peer uses %s, %s", printable(theirs), but)}
	switch {
	case theirs == zap.Null && want == zap.Curve:
		f.hint = "the server is open to anyone: set CURVE_SERVER and its secret key before it binds"
	case theirs == zap.Plain && want == zap.Curve:
		f.hint = "the server's passwords cross the network in the clear: set CURVE_SERVER and its secret key before it binds"
	case theirs == zap.Curve:
		f.hint = "give the server's key with --server-key, and the client's certificate with --cert"
	default:
		f.hint = "set the same mechanism on both sides"
	}
	return f
}

// keyFault says what happened instead of WELCOME.
func keyFault(err error, cfg Config) fault {
	compare := "compare the server's public key: zcert fingerprint on both sides"
	if cfg.Key.Public() == cfg.ServerKey {
		compare = "the server key is this client's own: pass the server's with --server-key"
	}
	_, isRefused := errors.AsType[*zmtp.RefusedError](err)
	switch {
	case errors.Is(err, zmtp.ErrServerKey):
		return fault{"the server closed the connection on HELLO: the server key is probably another server's", compare, false}
	case isSilent(err):
		return fault{"the server did not answer HELLO: it is stuck, or overloaded", hintLog, true}
	case errors.Is(err, zmtp.ErrIncompatible):
		return fault{reason(err), "make one side the CURVE server: CURVE_SERVER and its secret key", false}
	case isRefused:
		return fault{"the server answered HELLO with an error: " + reason(err), hintLog, false}
	}
	return fault{"the server has not proved that it has the secret key: " + reason(err), compare, false}
}

// admissionFault says what happened instead of READY. mayBeType is whether the type of this
// socket may be the reason.
func admissionFault(err error, cfg Config) (f fault, mayBeType bool) {
	if refused, ok := errors.AsType[*zmtp.RefusedError](err); ok {
		return refusal(refused.Reply, cfg), false
	}
	const dealers = "a PUSH, DEALER or PAIR"
	switch {
	case errors.Is(err, zmtp.ErrIncompatible) && cfg.SocketType == "":
		return fault{"the types of the sockets do not fit: it is probably " + dealers,
			"pass --type; such a socket may send a message to the probe in place of another peer", false}, true
	case errors.Is(err, zmtp.ErrIncompatible):
		return fault{reason(err), "connect as another type with --type", false}, true
	case errors.Is(err, zmtp.ErrTryAgain):
		f = fault{"the server closed the connection without a decision: it can't decide now (300), or has no authenticator for an enforced domain",
			"see the log of the server or its zauth, and try again with --wait", true}
		if cfg.SocketType == "" {
			f.text += "; or it is " + dealers
			f.hint += "; if it is " + dealers + ", which can lose messages to a probe, pass --type"
		}
		return f, true
	case isSilent(err):
		return fault{"the server does not decide: its authenticator can't now (300), is stuck, or is not there",
			"check that zauth runs, and the endpoint at which the server asks it", true}, false
	}
	return fault{reason(err), hintLog, false}, errors.Is(err, io.EOF)
}

// refusal explains an ERROR by its status.
func refusal(reply zap.Reply, cfg Config) fault {
	const log = "see the log of the server or its zauth for the reason"
	switch reply.Status {
	case zap.StatusRefused:
		switch cfg.Mechanism {
		case zap.Plain:
			return fault{"refused (400): wrong user name or password", log, false}
		case zap.Null:
			return fault{"refused (400): the server does not admit clients without a key from this address", log, false}
		}
		return fault{"refused (400): the server does not admit the key " + cfg.Key.Public().String(), cfg.Admit, false}
	case zap.StatusError:
		return fault{"refused (500): the server could not decide", "its authenticator failed: see the log of the server or its zauth", true}
	case zap.StatusTryLater:
		return fault{"refused (300): the server can't decide now", "try again later, or with --wait", true}
	}
	return fault{"refused: " + printable(cmp.Or(reply.Text, "without a reason")), hintLog, false}
}

// reason returns the text of an error without the package and the address.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), "zmtp: ")
	if _, rest, ok := strings.Cut(strings.TrimPrefix(text, "handshake with "), ": "); ok && strings.HasPrefix(text, "handshake with ") {
		text = rest
	}
	return strings.TrimPrefix(strings.TrimSuffix(text, ": EOF"), "handshake failed: ")
}

// isSilent reports whether an error means that the peer sent nothing in time.
func isSilent(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

const tlsAlert = "\x15\x03"

// stranger is a protocol other than ZMTP.
type stranger struct{ begin, name, hint string }

// strangers begin as follows.
var strangers = []stranger{
	{"HTTP/", "HTTP", ""},
	{"SSH-", "SSH", ""},
	{tlsAlert, "TLS", "if a proxy ends TLS in front of the server, probe the server itself"},
}

// strangerIn returns the protocol that begins with begin, or nil.
func strangerIn(begin []byte) *stranger {
	if bytes.Contains(begin, []byte("HTTPS")) { // "Client sent an HTTP request to an HTTPS server"
		begin = []byte(tlsAlert)
	}
	for i, s := range strangers {
		if bytes.HasPrefix(begin, []byte(s.begin)) {
			return &strangers[i]
		}
	}
	return nil
}
