//go:build unix

package examples_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/sockets/zmq4"
)

// TestBundle runs the programs that "zcert snippet" prints: each connects with nothing but a
// bundle. Those in Node.js and Java run if ZCURVE_TEST_NODE names a directory with the
// package zeromq, and ZCURVE_TEST_JEROMQ is a class path with JeroMQ.
func TestBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gen(t, dir, "service", "alice", "mallory")
	clients := filepath.Join(dir, "clients")
	ztest.Must(t, os.Mkdir(clients, 0o755), os.Link(filepath.Join(dir, "alice.key"), filepath.Join(clients, "alice.key")))
	p, err := policy.New(policy.Rules{{Curve: &policy.Curve{Keystores: []string{"dir:" + clients}}}}, policy.Options{})
	ztest.Must(t, err)
	defer p.Close()
	own, err := cert.Load(filepath.Join(dir, "service.key_secret"))
	ztest.Must(t, err)
	rep := zmq4.NewRep(ztest.Context(t), zmq4.WithSecurity(zmq4.CurveServer(own.Secret, "hello", p)))
	defer rep.Close()
	ztest.Must(t, rep.Listen("tcp://127.0.0.1:*"))
	go func() {
		for {
			msg, err := rep.Recv()
			if err != nil {
				return
			}
			rep.Send(zmq4.NewMsgString(msg.From().ID + " said " + string(msg.Bytes())))
		}
	}()

	zcert := tool(t, "zcert")
	bundle := filepath.Join(dir, "alice.bundle")
	for _, name := range []string{"alice", "mallory"} {
		if out, err := output(t, zcert, "bundle", filepath.Join(dir, name), "--server", filepath.Join(dir, "service.key"),
			"--endpoint", "tcp://"+rep.Addr().String()); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	snippet := func(language, file string) string {
		text, err := output(t, zcert, "snippet", language, bundle)
		ztest.Must(t, err, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	inGo := ztest.GoProgram(t, "examples/go/bundle", "CGO_ENABLED=0")
	programs := map[string][]string{"go": {inGo, bundle}}
	if ztest.Peers() {
		programs["python"] = []string{ztest.Python(t), snippet("python", filepath.Join(dir, "client.py"))}
		programs["c"] = []string{ztest.CProgram(t, "examples/c/bundle.c", "-lzmq"), bundle}
	}
	if modules := os.Getenv("ZCURVE_TEST_NODE"); modules != "" {
		programs["node"] = []string{"node", snippet("node", filepath.Join(modules, "client.mjs"))}
	}
	if path := os.Getenv("ZCURVE_TEST_JEROMQ"); path != "" {
		programs["java"] = []string{"java", "-cp", path, snippet("java", filepath.Join(dir, "Bundle.java"))}
	}
	for language, words := range programs {
		out, err := output(t, words...)
		if want := "reply: alice said good morning\n"; err != nil || out != want {
			t.Errorf("%s: %v\n%s", language, err, out)
		}
	}
	if out, err := output(t, inGo, filepath.Join(dir, "mallory.bundle")); err == nil {
		t.Errorf("a client that the service doesn't know got %s", out)
	}
}
