//go:build cgo

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	libzmq "github.com/pebbe/zmq4"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/probe"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/peertest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// fault is something that keeps a client from connecting, and what probe says about it.
type fault struct {
	listen peertest.Listen
	args   string
	code   int    // the exit code; 0 if all stages pass
	text   string // of the stage that fails, or of the last that passes
	hint   string
}

// Arguments of probe. The files are those of probeFiles.
const (
	asAlice   = "--server-key service.key --cert alice.key_secret"
	asNew     = "--server-key service.key"
	asLogin   = "--login alice.plain"
	otherKey  = "--server-key other.key --cert alice.key_secret"
	impatient = " --timeout 3s"
)

// curveServer and plainServer listen with sockets of ours, and null without security.
func curveServer(socketType string, handler zap.Handler) peertest.Listen {
	return peertest.Ours("tcp", zmtp.Config{SocketType: socketType, Mechanism: zap.Curve, Handler: handler})
}

func plainServer(handler zap.Handler) peertest.Listen {
	return peertest.Ours("tcp", zmtp.Config{SocketType: "REP", Mechanism: zap.Plain, Handler: handler})
}

func nullServer(handler zap.Handler) peertest.Listen {
	return peertest.Ours("tcp", zmtp.Config{SocketType: "ROUTER", Mechanism: zap.Null, Handler: handler})
}

// theirs listens with a socket of libzmq.
func theirs(kind libzmq.Type, mechanism string, handler zap.Handler) peertest.Listen {
	return peertest.Theirs("tcp", kind, mechanism, handler)
}

// curveGreeting and nullGreeting begin a connection.
var curveGreeting, nullGreeting = peertest.Greeting(3, 1, "CURVE"), peertest.Greeting(3, 1, "NULL")

// ready is a READY of ZMTP.
const ready = "\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03REP"

// closeLater shakes hands, and closes the connection after some PINGs.
func closeLater(nc net.Conn) {
	nc.Write([]byte(nullGreeting + ready))
	io.CopyN(io.Discard, nc, 200)
}

// faults are by stage.
var faults = map[probe.Stage]map[string]fault{
	probe.Stages: { // none
		"ours":                 {curveServer("REP", peertest.Replies(200)), asAlice, 0, "REP socket; handshake ", ""},
		"ours, new key":        {curveServer("REP", peertest.Replies(200)), asNew, 0, "round trip ", ""},
		"our PUB":              {curveServer("PUB", peertest.Replies(200)), asAlice, 0, "PUB socket; ", ""},
		"our PULL":             {curveServer("PULL", peertest.Replies(200)), asAlice, 0, "PULL socket; ", ""},
		"our PUSH, as PULL":    {curveServer("PUSH", peertest.Replies(200)), asAlice + " --type pull", 0, "PUSH socket; ", ""},
		"our NULL":             {nullServer(nil), "", 0, "ROUTER socket; ", ""},
		"our PLAIN":            {plainServer(peertest.Replies(200)), asLogin, 0, "REP socket; ", ""},
		"our ipc":              {peertest.Ours("ipc", zmtp.Config{SocketType: "REP", Mechanism: zap.Curve, Handler: peertest.Replies(200)}), asAlice, 0, "REP socket; ", ""},
		"identity":             {peertest.Ours("tcp", zmtp.Config{SocketType: "ROUTER", RoutingID: []byte("broker"), Mechanism: zap.Null}), "", 0, "ROUTER socket, Identity broker; ", ""},
		"property":             {peertest.Ours("tcp", zmtp.Config{SocketType: "REP", Mechanism: zap.Null, Properties: zap.Metadata{{Name: "X-Text", Value: "x\x1b[31m"}}}), "", 0, `REP socket, X-Text "x\x1b[31m"; `, ""},
		"libzmq":               {theirs(libzmq.REP, zap.Curve, peertest.Replies(200)), asAlice, 0, "REP socket; ", ""},
		"libzmq PUB":           {theirs(libzmq.PUB, zap.Curve, peertest.Replies(200)), asAlice, 0, "PUB socket; ", ""},
		"libzmq PULL":          {theirs(libzmq.PULL, zap.Curve, peertest.Replies(200)), asAlice, 0, "PULL socket; ", ""},
		"libzmq PUSH, as PULL": {theirs(libzmq.PUSH, zap.Curve, peertest.Replies(200)), asAlice + " --type PULL", 0, "PUSH socket; ", ""},
		"libzmq PUSH, NULL":    {theirs(libzmq.PUSH, zap.Null, nil), "--type PULL", 0, "PUSH socket; ", ""},
		"our PUSH, told":       {peertest.Ours("tcp", zmtp.Config{SocketType: "PUSH", Mechanism: zap.Null}), "", 0, "PUSH socket; handshake ", ""},
		"libzmq PLAIN":         {theirs(libzmq.REP, zap.Plain, peertest.Replies(200)), asLogin, 0, "REP socket; ", ""},
		"libzmq ipc":           {peertest.Theirs("ipc", libzmq.REP, zap.Curve, peertest.Replies(200)), asAlice, 0, "REP socket; ", ""},
		"only greeting":        {theirs(libzmq.REP, zap.Curve, nil), "", 0, "CURVE", ""},
		"expect CURVE":         {theirs(libzmq.REP, zap.Curve, nil), "--expect curve", 0, "CURVE", ""},
		"expect PLAIN":         {theirs(libzmq.REP, zap.Plain, nil), "--expect plain", 0, "PLAIN", ""},
		"ZMTP 3.0":             {peertest.Stranger(peertest.Greeting(3, 0, "NULL")+ready, false), "", 0, "ZMTP 3.0 has no PING", ""},
	},
	probe.Local: {
		"no file":          {peertest.Nowhere("tcp://127.0.0.1:1"), "--server-key nothing-is-here.key", 10, "no such file", ""},
		"malformed":        {peertest.Nowhere("tcp://127.0.0.1:1"), "--server-key malformed.key", 10, "malformed.key", ""},
		"mismatched pair":  {peertest.Nowhere("tcp://127.0.0.1:1"), "--server-key service.key --cert mismatched.key_secret", 10, "do not match", ""},
		"mismatched files": {peertest.Nowhere("tcp://127.0.0.1:1"), "--server-key service.key --cert moved.key_secret", 10, "another key than", "moved.key"},
		"no secret key":    {peertest.Nowhere("tcp://127.0.0.1:1"), "--server-key service.key --cert alice.key", 10, "no secret key", "alice.key_secret"},
		"low order":        {peertest.Nowhere("tcp://127.0.0.1:1"), "--server-key 0000000000000000000000000000000000000000", 10, "low-order point", "operator"},
		"published":        {peertest.Nowhere("tcp://127.0.0.1:1"), "--server-key rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", 10, "well-known test key", "operator"},
		"expired":          {peertest.Nowhere("tcp://127.0.0.1:1"), "--server-key service.key --cert expired.key_secret", 10, "expired", "zcert show"},
		"expired server":   {peertest.Nowhere("tcp://127.0.0.1:1"), "--server-key expired.key", 10, "expired", "zcert show"},
		"open to others":   {peertest.Nowhere("tcp://127.0.0.1:1"), "--strict --server-key service.key --cert open.key_secret", 10, "mode 0644", "chmod 600"},
		"no login":         {peertest.Nowhere("tcp://127.0.0.1:1"), "--login alice.key", 10, "alice.key", ""},
	},
	probe.Connect: {
		"closed port":    {peertest.Nowhere("tcp://127.0.0.1:1"), asAlice, 11, "refused", "nobody listens"},
		"localhost":      {peertest.Nowhere("tcp://localhost:1"), asAlice, 11, "refused", "nobody listens"},
		"no such host":   {peertest.Nowhere("tcp://no-such-host.invalid:1"), asAlice, 11, "lookup", "host name"},
		"long path":      {peertest.Nowhere("ipc://" + strings.Repeat("long/", 50)), asAlice, 11, "invalid argument", "too long"},
		"no such socket": {peertest.Nowhere("ipc:///no/such/socket"), asAlice, 11, "no such file", "path"},
	},
	probe.Greeting: {
		"expect CURVE, is NULL":  {theirs(libzmq.REP, zap.Null, nil), "--expect curve", 12, "uses NULL, not CURVE", "open to anyone"},
		"expect NULL, is CURVE":  {theirs(libzmq.REP, zap.Curve, nil), "--expect null", 12, "uses CURVE, not NULL", "--server-key"},
		"expect CURVE, is PLAIN": {theirs(libzmq.REP, zap.Plain, nil), "--expect curve", 12, "uses PLAIN, not CURVE", "in the clear"},
		"CURVE to NULL":          {theirs(libzmq.REP, zap.Null, nil), asAlice, 12, "uses NULL, this side CURVE", "open to anyone"},
		"PLAIN to CURVE":         {theirs(libzmq.REP, zap.Curve, nil), asLogin, 12, "uses CURVE, this side PLAIN", "--server-key"},
		"PLAIN to NULL":          {nullServer(nil), asLogin, 12, "uses NULL, this side PLAIN", "same mechanism"},
		"silent":                 {peertest.Stranger("", false), asAlice + impatient, 12, "sends nothing", "port"},
		"closes at once":         {peertest.Stranger("", true), asAlice, 12, "closed the connection", "--wait"},
		"half a greeting":        {peertest.Stranger(curveGreeting[:30], false), asAlice + impatient, 12, "stopped after 30 bytes", "log"},
		"closes within":          {peertest.Stranger(curveGreeting[:30], true), asAlice, 12, "after 30 bytes", "another mechanism"},
		"HTTP":                   {peertest.Web((*httptest.Server).Start), asAlice + impatient, 12, "speaks HTTP", "port"},
		"TLS":                    {peertest.Web((*httptest.Server).StartTLS), asAlice, 12, "speaks TLS", "proxy"},
		"SSH":                    {peertest.Stranger("SSH-2.0-OpenSSH_9.2p1\r\n", true), asAlice, 12, "speaks SSH", "port"},
		"another protocol":       {peertest.Stranger("220 mail.example ESMTP\r\n", true), asAlice, 12, `began with "220 mail`, "port"},
		"bad signature":          {peertest.Stranger("\xff"+strings.Repeat("\x00", 63), true), asAlice, 12, "does not speak ZMTP", "port"},
		"ZMTP 1":                 {peertest.Stranger("\x01\x00", true), asAlice, 12, "ZMTP 1.0", "libzmq"},
		"ZMTP 2":                 {peertest.Stranger(peertest.Greeting(1, 4, "")[:12], true), asAlice, 12, "speaks ZMTP 2.0", "libzmq"},
		"mechanism that lies":    {peertest.Stranger(peertest.Greeting(3, 1, "\x1b[31mRED"), true), asAlice, 12, `\x1b[31mRED`, "same mechanism"},
	},
	probe.ServerKey: {
		"our wrong key":    {curveServer("REP", peertest.Replies(200)), otherKey, 13, "probably another server's", "fingerprint"},
		"libzmq wrong key": {theirs(libzmq.REP, zap.Curve, peertest.Replies(200)), otherKey, 13, "probably another server's", "fingerprint"},
		"own key":          {curveServer("REP", peertest.Replies(200)), "--server-key alice.key --cert alice.key_secret", 13, "probably another server's", "this client's own"},
		"closes on HELLO":  {peertest.Stranger(curveGreeting, true), asAlice, 13, "closed the connection on HELLO", "fingerprint"},
		"no WELCOME":       {peertest.Stranger(curveGreeting, false), asAlice + impatient, 13, "did not answer HELLO", "log"},
		"false WELCOME":    {peertest.Stranger(curveGreeting+"\x04\xa8\x07WELCOME"+strings.Repeat("x", 160), false), asAlice, 13, "has not proved", "fingerprint"},
		"ERROR for HELLO":  {peertest.Stranger(curveGreeting+"\x04\x0a\x05ERROR\x03400", false), asAlice, 13, "answered HELLO with an error", "log"},
		"garbage":          {peertest.Stranger(curveGreeting+"\x04\x03abc", false), asAlice, 13, "has not proved", "fingerprint"},
		"a client":         {peertest.Client, asAlice, 13, "the peer is a client too", "CURVE_SERVER"},
	},
	probe.Admission: {
		"our 300":           {curveServer("REP", peertest.Replies(300)), asAlice, 14, "(300)", "--wait"},
		"our 400":           {curveServer("REP", peertest.Replies(400)), asAlice, 14, "refused (400): the server does not admit the key ", "zauth admit SHA256:"},
		"our 400, new key":  {curveServer("REP", peertest.Replies(400)), asNew, 14, "refused (400)", "pass --cert"},
		"our 500":           {curveServer("REP", peertest.Replies(500)), asAlice, 14, "refused (500)", "log"},
		"our PLAIN 400":     {plainServer(peertest.Replies(400)), asLogin, 14, "wrong user name or password", "log"},
		"our NULL 400":      {nullServer(peertest.Replies(400)), "", 14, "without a key from this address", "log"},
		"our stuck":         {curveServer("REP", peertest.Stuck), asAlice + impatient, 14, "is stuck", "zauth"},
		"our PUSH":          {curveServer("PUSH", peertest.Replies(200)), asAlice, 14, "PUSH, DEALER or PAIR", "--type"},
		"our REP, as PULL":  {curveServer("REP", peertest.Replies(200)), asAlice + " --type PULL", 14, "incompatible socket types", "--type"},
		"libzmq 400":        {theirs(libzmq.REP, zap.Curve, peertest.Replies(400)), asAlice, 14, "refused (400)", "zcert store add dir:CLIENTS alice.key"},
		"libzmq 500":        {theirs(libzmq.REP, zap.Curve, peertest.Replies(500)), asAlice, 14, "refused (500)", "log"},
		"libzmq PLAIN 400":  {theirs(libzmq.REP, zap.Plain, peertest.Replies(400)), asLogin, 14, "wrong user name or password", "log"},
		"libzmq stuck":      {theirs(libzmq.REP, zap.Curve, peertest.Stuck), asAlice + impatient, 14, "is stuck", "zauth"},
		"libzmq PUSH":       {theirs(libzmq.PUSH, zap.Curve, peertest.Replies(200)), asAlice, 14, "PUSH, DEALER or PAIR", "--type"},
		"libzmq, no zauth":  {peertest.Enforced, asAlice, 14, "no authenticator for an enforced domain", "zauth"},
		"no READY":          {peertest.Stranger(nullGreeting, false), impatient, 14, "is stuck", "zauth"},
		"closes on READY":   {peertest.Stranger(nullGreeting, true), "", 14, "without a decision", "log"},
		"reason that lies":  {peertest.Stranger(nullGreeting+"\x04\x0a\x05ERROR\x03\x1b[m", false), "", 14, "not printable", "log"},
		"ERROR 300":         {peertest.Stranger(nullGreeting+"\x04\x0a\x05ERROR\x03300", false), "", 14, "refused (300)", "--wait"},
		"ERROR, other":      {peertest.Stranger(nullGreeting+"\x04\x0c\x05ERROR\x05later", false), "", 14, "refused: later", "log"},
		"malformed READY":   {peertest.Stranger(nullGreeting+"\x04\x07\x05READY\x05", false), "", 14, "malformed", "log"},
		"message, no READY": {peertest.Stranger(nullGreeting+"\x00\x05READY", false), "", 14, "message frame", "log"},
	},
	probe.Peer: {
		"does not answer": {peertest.Stranger(nullGreeting+ready, false), impatient, 15, "does not answer PING", "stuck"},
		"closes then":     {peertest.Talker(closeLater), "", 15, "closed the connection", "log"},
	},
}

// probeFiles makes the files that the faults need.
func probeFiles(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	zcert(t, "gen", "--quiet", dir+"/alice", dir+"/other", dir+"/mallory", dir+"/moved")
	expired, authority := cert.Generate("expired"), cert.GenerateAuthority("acme")
	expired.Validity.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	ztest.Must(t, authority.Sign(expired), expired.Save(dir+"/expired.key"))
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		ztest.Must(t, err)
		return string(text)
	}
	mallory := regexp.MustCompile(`public-key = .*`).FindString(read("mallory.key"))
	mismatched := regexp.MustCompile(`public-key = .*`).ReplaceAllLiteralString(read("alice.key_secret"), mallory)
	for name, text := range map[string]string{
		"service.key":           "curve\n    public-key = \"" + peertest.Server.Public().String() + "\"\n",
		"malformed.key":         "curve\n    public-key = \"too short\"\n",
		"mismatched.key_secret": mismatched,
		"open.key_secret":       read("alice.key_secret"),
		"alice.plain":           "plain\n    username = \"alice\"\n    password = \"secret\"\n",
	} {
		ztest.WriteFile(t, filepath.Join(dir, name), text)
		ztest.Must(t, os.Chmod(filepath.Join(dir, name), 0o600))
	}
	ztest.Must(t, os.Chmod(dir+"/open.key_secret", 0o644), os.Rename(dir+"/mallory.key", dir+"/moved.key"))
	return dir
}

// runZcert runs a command.
func runZcert(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Run(ztest.Context(t), newRoot(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// fileName matches the names of probeFiles.
var fileName = regexp.MustCompile(`\b(alice|other|service|expired|mismatched|malformed|moved|open|nothing-is-here)\.(key|plain)(_secret)?\b`)

// TestProbe makes each fault, and checks which stage finds it, and that report, error, exit code
// and JSON say the same.
func TestProbe(t *testing.T) {
	t.Parallel()
	dir := probeFiles(t)
	page := newPage(t)
	t.Cleanup(func() { page.checkAll(t) })
	for stage, named := range faults {
		group := "none"
		if stage < probe.Stages {
			group = stage.String()
		}
		for name, fault := range named {
			t.Run(group+"/"+name, func(t *testing.T) {
				t.Parallel()
				at := fault.listen(t)
				args := strings.Fields("probe --timeout 60s " + fileName.ReplaceAllString(fault.args, dir+"/$0"))
				said := checkProbe(t, stage, fault, dir, at, append(args, at))
				if fault.code > 0 && !page.has(fault.code, said) {
					t.Errorf("docs/diagnosing.md has no row for %q", said)
				}
			})
		}
	}
}

// checkProbe runs probe twice, for people and for programs. It returns the text of the stage that
// fails.
func checkProbe(t *testing.T, stage probe.Stage, want fault, dir, at string, args []string) (said string) {
	t.Helper()
	var text struct {
		code           int
		stdout, stderr string
	}
	var other sync.WaitGroup
	other.Go(func() { text.code, text.stdout, text.stderr = runZcert(t, args...) })
	code, stdout, stderr := runZcert(t, append(slices.Clone(args), "--json")...)
	other.Wait()
	var report probeJSON
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != want.code || report.Endpoint != at || len(report.Stages) != int(probe.Stages) {
		t.Fatalf("exit code %d, want %d: %v\n%s%s", code, want.code, err, stdout, stderr)
	}
	last := report.Stages[0]
	for i, s := range report.Stages {
		outcome := probe.OK
		switch {
		case probe.Stage(i) == stage:
			outcome = probe.Failed
		case probe.Stage(i) > stage, stage == probe.Stages && i > 2 && s.Outcome == string(probe.NotReached):
			outcome = probe.NotReached
		}
		if s.Outcome != string(outcome) || s.Stage != probe.Stage(i).String() {
			t.Errorf("stage %d is %+v, want %s", i, s, outcome)
		}
		if outcome != probe.NotReached {
			last = s
		}
	}
	if !strings.Contains(last.Text, want.text) || !strings.Contains(strings.ReplaceAll(last.Hint, dir+"/", ""), want.hint) || (want.hint == "" && want.code > 10 && last.Hint != "") {
		t.Errorf("says %q, and %q", last.Text, last.Hint)
	}

	if text.code != want.code {
		t.Errorf("exit code %d without --json, want %d", text.code, want.code)
	}
	lines := strings.Split(strings.TrimSuffix(text.stdout, "\n"), "\n")
	if len(lines) != 1+len(report.Stages) || lines[0] != at {
		t.Fatalf("report of %d lines:\n%s", len(lines), text.stdout)
	}
	for i, s := range report.Stages {
		if got, want := strings.Fields(varying.ReplaceAllString(lines[i+1], "…")), strings.Fields(varying.ReplaceAllString(s.Stage+" "+s.Outcome+" "+s.Text, "…")); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("line %q, want %q", got, want)
		}
	}
	if want.code == 0 {
		return ""
	}
	text.stderr = varying.ReplaceAllString(text.stderr, "…")
	for _, line := range []string{"error: " + last.Text, "hint: " + last.Hint} {
		kind, said, _ := strings.Cut(line, ": ")
		if !strings.Contains(text.stderr, "zcert: "+kind+": ") != (said == "") || !strings.Contains(text.stderr, varying.ReplaceAllString(said, "…")) {
			t.Errorf("stderr %q, want %q", text.stderr, line)
		}
	}
	return last.Text
}

// varying matches what differs between two tries: durations, ports and new keys.
var varying = regexp.MustCompile(`[0-9.]+(µs|ms|s)\b|:[0-9]+->\S*|(key|probe:) \S{40}`)

// TestProbe300 probes a server of libzmq whose authenticator can't decide. Depending on the
// moment, it closes the connection or is silent, so that two tries can differ.
func TestProbe300(t *testing.T) {
	t.Parallel()
	at := theirs(libzmq.REP, zap.Curve, peertest.Replies(300))(t)
	args := []string{"probe", at, "--server-key", peertest.Server.Public().String(), "--timeout", "3s"}
	if code, stdout, stderr := runZcert(t, args...); code != 14 || !strings.Contains(stdout, "(300)") || !strings.Contains(stderr, "hint: ") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestProbeWait checks that probe waits for a server that comes up later, and not for one that
// refuses it.
func TestProbeWait(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	cfg := zmtp.Config{SocketType: "REP", Mechanism: zap.Null, Handler: peertest.Replies(200)}
	ctx := ztest.Context(t)
	listen := peertest.Talker(func(nc net.Conn) {
		if tries.Add(1) <= 4 { // two tries, and what probe asks of a peer that is silent
			return
		}
		if conn, err := zmtp.Server(ctx, nc, cfg); err == nil {
			conn.Recv(ctx)
			conn.CloseNow()
		}
	})
	if code, stdout, stderr := runZcert(t, "probe", listen(t), "--wait", "1h"); code != cli.ExitDone || tries.Load() != 5 {
		t.Errorf("exit code %d after %d connections:\n%s%s", code, tries.Load(), stdout, stderr)
	}
	var asked atomic.Int64
	refuses := zap.HandlerFunc(func(context.Context, *zap.Request) zap.Reply {
		asked.Add(1)
		return zap.Reply{Status: zap.StatusRefused, Text: "because"}
	})
	args := []string{"probe", plainServer(refuses)(t), "--wait", "1h", "--login", probeFiles(t) + "/alice.plain"}
	if code, _, stderr := runZcert(t, args...); code != 14 || asked.Load() != 1 {
		t.Errorf("exit code %d after %d refusals: %s", code, asked.Load(), stderr)
	}
}

// TestProbeWarns checks that probe warns about NULL and PLAIN beyond this machine.
func TestProbeWarns(t *testing.T) {
	t.Parallel()
	dir := probeFiles(t)
	for name, test := range map[string]struct {
		at   string
		args []string
		want string
	}{
		"NULL":  {nullServer(nil)(t), nil, "is open to anyone, and not encrypted"},
		"PLAIN": {plainServer(peertest.Replies(200))(t), []string{"--login", dir + "/alice.plain"}, "PLAIN sends the password unencrypted over the network"},
	} {
		const warning = "zcert: warning: "
		args := append([]string{"probe"}, test.args...)
		if code, _, stderr := runZcert(t, append(args, test.at)...); code != 0 || strings.Contains(stderr, warning) {
			t.Errorf("%s, local: exit code %d, %s", name, code, stderr)
		}
		everywhere := strings.Replace(test.at, "127.0.0.1", "0.0.0.0", 1) // leads here, but does not say so
		if code, _, stderr := runZcert(t, append(args, everywhere)...); code != 0 || !strings.Contains(stderr, warning) || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit code %d, %s", name, code, stderr)
		}
	}
}
