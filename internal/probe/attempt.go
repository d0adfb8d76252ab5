package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// pingInterval is how long after the handshake, and how often, a probe sends a PING.
const pingInterval = 20 * time.Millisecond

// attempt connects as one type of socket. mayBeType is whether that type may be the reason
// why it failed.
func attempt(ctx context.Context, at string, cfg Config, socketType string) (r *Report, mayBeType bool) {
	r = newReport(cfg.Local)
	nc := r.connect(ctx, at)
	if nc == nil {
		return r, false
	}
	rec := newRecorder(nc)
	asking, stop := context.WithCancel(ctx)
	defer stop()
	stranger := askSilent(asking, at, rec, cfg.Timeout/2, stop)
	begin := time.Now()
	conn, err := zmtp.Client(asking, rec, zmtp.Config{
		SocketType: socketType, Mechanism: cfg.Mechanism, Key: cfg.Key, ServerKey: cfg.ServerKey,
		Username: cfg.Username, Password: cfg.Password, HandshakeTimeout: cfg.Timeout,
		HeartbeatInterval: pingInterval, HeartbeatTimeout: cfg.Timeout,
	})
	r.Handshake = time.Since(begin)
	if conn != nil {
		defer conn.CloseNow()
		r.Metadata = conn.Claims()
	}
	if answer := stranger(); len(answer) > 0 {
		r.fail(Greeting, greetingFault(answer, err))
		return r, false
	}
	if !r.greeted(ctx, at, rec, cfg, err) {
		return r, false
	}
	if mayBeType = r.judge(rec, cfg, err); r.Results[Admission].Outcome == OK {
		r.meet(ctx, conn, rec)
	}
	return r, mayBeType
}

// connect returns a connection, or nil.
func (r *Report) connect(ctx context.Context, at string) net.Conn {
	begin := time.Now()
	nc, err := endpoint.Dial(ctx, at)
	if err != nil {
		r.fail(Connect, dialFault(err, at))
		return nil
	}
	if isSelf(nc) {
		nc.Close()
		r.fail(Connect, refusedFault)
		return nil
	}
	r.Connected = time.Since(begin)
	r.pass(Connect, "%s in %s", remote(nc, at), round(r.Connected))
	return nc
}

// isSelf reports whether a connection to a free port of this machine has met itself.
func isSelf(nc net.Conn) bool {
	return nc.RemoteAddr().Network() == "tcp" && nc.LocalAddr().String() == nc.RemoteAddr().String()
}

// remote returns the address that was connected.
func remote(nc net.Conn, at string) string {
	if a := nc.RemoteAddr(); a.Network() == "tcp" {
		return a.String()
	}
	return at
}

// greeted judges the greeting, and reports whether to go on.
func (r *Report) greeted(ctx context.Context, at string, rec *recorder, cfg Config, err error) bool {
	g, ok := rec.greeting()
	if !ok {
		begin := rec.begin()
		if len(begin) == 0 { // it closed the connection at once: perhaps it was not addressed well
			begin = ask(ctx, at)
		}
		r.fail(Greeting, greetingFault(begin, err))
		return false
	}
	r.Version = version(g)
	if g[10] < 3 {
		r.SocketType = oldType(g)
		r.fail(Greeting, fault{text: "the peer speaks ZMTP " + r.Version + ", which has no security", hint: hintLibzmq})
		return false
	}
	r.Mechanism, r.AsServer = mechanism(g), g[32] == 1
	said := fmt.Sprintf("ZMTP %s, %s", r.Version, printable(r.Mechanism))
	if r.AsServer {
		said += ", as server"
	}
	switch {
	case cfg.Expect != "" && r.Mechanism != cfg.Expect:
		r.fail(Greeting, mechanismFault(r.Mechanism, cfg.Expect, "not "+cfg.Expect))
		return false
	case r.Mechanism == cfg.Mechanism:
		r.pass(Greeting, "%s", said)
		return true
	case cfg.Mechanism == zap.Null: // nothing was asked for but the greeting
		r.pass(Greeting, "%s", said)
		r.Results[ServerKey].Text = needs[r.Mechanism]
		return false
	}
	r.fail(Greeting, mechanismFault(r.Mechanism, cfg.Mechanism, "this side "+cfg.Mechanism))
	return false
}

// needs says what it takes to go on after the greeting.
var needs = map[string]string{
	zap.Curve: "give the server's key with --server-key to go on",
	zap.Plain: "give a login with --login to go on",
}

// judge judges the handshake after the greeting.
func (r *Report) judge(rec *recorder, cfg Config, err error) (mayBeType bool) {
	switch {
	case r.Mechanism != zap.Curve:
		r.pass(ServerKey, "%s has none", r.Mechanism)
	case err == nil || rec.sent() > greetingSize+helloSize: // only a valid WELCOME is answered with INITIATE
		r.pass(ServerKey, "the server has the secret key of %s", cfg.ServerKey)
	default:
		r.fail(ServerKey, keyFault(err, cfg))
		return false
	}
	if types, ok := errors.AsType[*zmtp.SocketTypeError](err); ok { // behind READY
		r.SocketType, err = types.Theirs, nil
	}
	if err == nil {
		r.pass(Admission, "%s", admitted(cfg))
		return false
	}
	f, mayBeType := admissionFault(err, cfg)
	r.fail(Admission, f)
	return mayBeType
}

// admitted says what it means to be admitted.
func admitted(cfg Config) string {
	switch {
	case cfg.Mechanism == zap.Null:
		return "admitted, without a key or a password"
	case cfg.IsNew:
		return "admitted, with a key that is new: the server admits every key"
	}
	return "admitted"
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
