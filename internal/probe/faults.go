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
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// printable quotes what a peer sent if it could mislead a reader.
func printable(s string) string {
	if q := strconv.QuoteToASCII(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}

// dialHint says what to do about an error of connecting.
func dialHint(err error) string {
	_, isName := errors.AsType[*net.DNSError](err)
	switch {
	case isName:
		return "check the host name"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there: check the address and the port, and that the server runs"
	case errors.Is(err, syscall.ENOENT):
		return "no such socket: check the path, and that the server runs"
	case errors.Is(err, syscall.EACCES):
		return "the server's user must let you use its socket file"
	case isSilent(err):
		return "no answer: check the address, and the firewall in between"
	}
	return ""
}

const tlsAlert = "\x15\x03"

// strangers are what peers that don't speak ZMTP begin with.
var strangers = []struct{ begin, name, hint string }{
	{"HTTP/", "HTTP", ""},
	{"SSH-", "SSH", ""},
	{tlsAlert, "TLS", "if a proxy ends TLS in front of the server, probe the server itself"},
}

// maxStranger bounds the time for asking a peer that does not speak ZMTP what it speaks.
const maxStranger = time.Second

// ask returns what a peer that has sent nothing answers to a request of HTTP.
func ask(ctx context.Context, at string) []byte {
	ctx, cancel := context.WithTimeout(ctx, maxStranger)
	defer cancel()
	nc, err := endpoint.Dial(ctx, at)
	if err != nil {
		return nil
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	if _, err := nc.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
		return nil
	}
	answer := make([]byte, 128)
	n, _ := io.ReadFull(nc, answer)
	return answer[:n]
}

// greetingFault says why the greeting of the peer at an endpoint did not arrive. begin is what
// the peer has sent.
func greetingFault(ctx context.Context, at string, begin []byte, err error) (text, hint string) {
	if len(begin) == 0 {
		if answer := ask(ctx, at); len(answer) > 0 && answer[0] != 0xff {
			begin = answer
		}
	}
	if bytes.Contains(begin, []byte("HTTPS")) { // "Client sent an HTTP request to an HTTPS server"
		begin = []byte(tlsAlert)
	}
	for _, s := range strangers {
		if bytes.HasPrefix(begin, []byte(s.begin)) {
			return "the peer speaks " + s.name + ", not ZMTP", cmp.Or(s.hint, "check the port")
		}
	}
	switch {
	case len(begin) == 0 && isSilent(err):
		return "the peer accepts the connection and sends nothing", "it is stuck, or waits for another protocol: check the port, and the server's log"
	case len(begin) == 0:
		return "the peer closed the connection at once", "it may be starting, stopping or at its limit of connections: see its log, and try again with --wait"
	case begin[0] != 0xff && len(begin) <= 2:
		return "the peer speaks ZMTP 1.0, or not ZMTP", "use a libzmq of version 4 or later on the other side"
	case begin[0] != 0xff:
		return fmt.Sprintf("the peer does not speak ZMTP: it began with %q", begin[:min(16, len(begin))]), "check the port"
	case isSilent(err):
		return fmt.Sprintf("the peer stopped after %d bytes of its greeting", len(begin)), "see its log"
	}
	return fmt.Sprintf("the peer closed the connection after %d bytes of its greeting", len(begin)), "it may have another mechanism, or no ZMTP 3: see its log"
}

// securityHint says what to do about a mechanism other than the expected.
func securityHint(theirs, want string) string {
	switch {
	case theirs == zap.Null && want == zap.Curve:
		return "the server is open to anyone: set CURVE_SERVER and its secret key before it binds"
	case theirs == zap.Plain && want == zap.Curve:
		return "the server's passwords cross the network in the clear: set CURVE_SERVER and its secret key before it binds"
	case theirs == zap.Curve:
		return "give the server's key with --server-key, and the client's certificate with --cert"
	}
	return "set the same mechanism on both sides"
}

// keyFault says what happened instead of WELCOME.
func keyFault(err error) string {
	switch {
	case errors.Is(err, zmtp.ErrServerKey):
		return "the server closed the connection on HELLO: the server key is probably another server's"
	case isSilent(err):
		return "the server did not answer HELLO: it is stuck, or overloaded"
	}
	return reason(err)
}

// admissionFault says what happened instead of READY. mayBeType is whether the type of this
// socket may be the reason.
func admissionFault(err error, cfg Config) (text, hint string, mayBeType bool) {
	admit := cmp.Or(cfg.Admit, "ask the server's operator")
	if refused, ok := errors.AsType[*zmtp.RefusedError](err); ok {
		switch refused.Reply.Status {
		case zap.StatusRefused:
			if cfg.Mechanism == zap.Plain {
				return "refused (400): wrong user name or password", "see the log of the server or its zauth for the reason", false
			}
			return "refused (400): the server does not admit this client", admit, false
		case zap.StatusError:
			return "refused (500): the server could not decide", "its authenticator failed: see the log of the server or its zauth", false
		case zap.StatusTryLater:
			return "refused (300): the server can't decide now", "try again later, or with --wait", false
		}
		return reason(err), "see the log of the server", false
	}
	switch {
	case errors.Is(err, zmtp.ErrIncompatible):
		return reason(err), "connect as another type with --type", true
	case errors.Is(err, zmtp.ErrTryAgain):
		return "the server closed the connection without a decision: it can't decide now (300), or has no authenticator for an enforced domain",
			"see the log of the server or its zauth, and try again with --wait", true
	case isSilent(err):
		return "the server does not decide: its authenticator can't now (300), is stuck, or is not there",
			"check that zauth runs, and the endpoint at which the server asks it", false
	}
	return reason(err), "see the log of the server", errors.Is(err, io.EOF)
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
