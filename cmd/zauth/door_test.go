//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/cli"
	"github.com/zcurve/zcurve/internal/control"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// openedAt returns the endpoint that a line of zauth's log names.
func (z *zauth) openedAt(t *testing.T, message string) string {
	t.Helper()
	z.waitFor(t, message)
	found := regexp.MustCompile(`msg="` + message + `" endpoint=(\S+)`).FindStringSubmatch(z.log.String())
	if found == nil {
		t.Fatalf("no endpoint with %q", message)
	}
	return found[1]
}

// run runs a command of zauth in this process.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = cli.Run(ztest.Context(t), newRoot(), args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// TestDoorByCurve: over TCP, zauth answers the operators that its policy admits in the reserved
// domain, and neither its clients nor strangers, and operators notice a wrong server.
func TestDoorByCurve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	save := func(folder, name string) string {
		t.Helper()
		c := cert.Generate(name)
		ztest.Must(t, os.MkdirAll(filepath.Join(dir, folder), 0o755), c.Save(filepath.Join(dir, name+".key")), c.SavePublic(filepath.Join(dir, folder, name+".key")))
		return filepath.Join(dir, name+".key_secret")
	}
	operator, client, stranger, server := save("operators", "olga"), save("clients", "alice"), save("elsewhere", "mallory"), save("elsewhere", "zauth")
	section := func(domain, store string) string {
		return "security\n    domain = " + domain + "\n    curve = 1\n        keystore = dir:" + store + "\n"
	}
	file := filepath.Join(dir, "policy.zpl")
	services := "security\n    curve = 1\n        keystore = dir:clients\n" + section("zauth", "clients")
	flags := []string{"--listen", "tcp://127.0.0.1:*", "--policy", file, "--state", "none", "--cert", server,
		"--control", "tcp://127.0.0.1:*", "--publish", "tcp://127.0.0.1:*", "--admit-to", "dir:" + filepath.Join(dir, "clients")}

	// Without the sections, zauth does not start, and says what to add.
	ztest.WriteFile(t, file, services)
	code, _, stderr := run(t, append([]string{"serve"}, flags...)...)
	if code != cli.ExitFailed || !strings.Contains(stderr, "hint: add a section to the policy: security, domain = zauth-control") {
		t.Errorf("without a section: %d, %s", code, stderr)
	}

	ztest.WriteFile(t, file, services+section("zauth-control", "operators")+section("zauth-decisions", "operators"))
	z := startZauth(t, flags...)
	at := z.openedAt(t, "control socket opened")
	public := strings.TrimSuffix(server, cert.SecretSuffix)
	ask := func(own, server string) (code int, stdout, stderr string) {
		return run(t, "status", "--control", at, "--cert", own, "--server-key", server)
	}
	if code, stdout, stderr := ask(operator, public); code != 0 || !strings.Contains(stdout, "policy") || !strings.Contains(stdout, "  listening  "+z.endpoint+"\n") {
		t.Errorf("the operator: %d, %s%s", code, stdout, stderr)
	}
	for who, own := range map[string]string{"a client": client, "a stranger": stranger} {
		if code, _, stderr := ask(own, public); code != cli.ExitFailed || !strings.Contains(stderr, "domain = zauth-control") {
			t.Errorf("%s: %d, %s", who, code, stderr)
		}
	}
	if code, _, stderr := ask(operator, strings.TrimSuffix(stranger, cert.SecretSuffix)); code != cli.ExitFailed || !strings.Contains(stderr, "hint: pass the public certificate of the zauth that listens there") {
		t.Errorf("with the key of another server: %d, %s", code, stderr)
	}
	if code, _, _ := run(t, "status", "--control", at); code != cli.ExitUsage {
		t.Errorf("without CURVE: %d", code)
	}
	if code, _, stderr := run(t, "status", "--control", at, "--cert", strings.TrimSuffix(operator, cert.SecretSuffix), "--server-key", public); code != cli.ExitFailed || !strings.Contains(stderr, "no secret key") {
		t.Errorf("without the secret key: %d, %s", code, stderr)
	}

	// The log says who admitted a client.
	key := curve.GenerateKey().Public()
	code, _, stderr = run(t, "admit", "--control", at, "--cert", operator, "--server-key", public, "--name", "bob", "--", key.String())
	if code != 0 {
		t.Errorf("admit: %d, %s", code, stderr)
	}
	z.waitFor(t, "client admitted by operator", `asker="127.0.0.1 (olga)"`, "identity=bob")

	// The same for decisions.
	published := z.openedAt(t, "decisions are published")
	cfg := zmtp.Config{SocketType: "SUB", Mechanism: zap.Curve, ServerKey: secretOf(t, server).Public()}
	for own, admitted := range map[string]bool{operator: true, client: false, stranger: false} {
		cfg.Key = secretOf(t, own)
		conn, err := zmtp.Dial(ztest.Context(t), published, cfg)
		if (err == nil) != admitted || !admitted && !errors.As(err, new(*zmtp.RefusedError)) {
			t.Errorf("decisions for %s: %v", filepath.Base(own), err)
		}
		if err == nil {
			conn.CloseNow()
		}
	}
}

func secretOf(t *testing.T, file string) curve.SecretKey {
	t.Helper()
	c, err := cert.Load(file)
	ztest.Must(t, err)
	return c.Secret
}

// TestOtherUsers: no other user can connect to the sockets of a zauth, whatever its umask is.
func TestOtherUsers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can run a program as another user")
		return
	}
	dir, err := os.MkdirTemp("", "zauth-users-")
	ztest.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	ztest.Must(t, os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "open"), 0o755))
	store, _ := keystoreOf(t)
	at := "ipc://" + filepath.Join(dir, "open", "control")
	startZauth(t, "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+store, "--control", at, "--publish", "ipc://"+filepath.Join(dir, "open", "decisions"))
	if code, _, stderr := run(t, "status", "--control", at); code != 0 {
		t.Errorf("root: %d, %s", code, stderr)
	}
	for _, socket := range []string{"control", "decisions"} {
		cmd := exec.Command(ztest.Python(t), "-c", "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])", filepath.Join(dir, "open", socket))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "PermissionError") {
			t.Errorf("%s: %v: %s", socket, err, out)
		}
	}
}

// askStatus is a Python program that asks for the status, with the REQ socket of libzmq.
const askStatus = `import sys, zmq
req = zmq.Context().socket(zmq.REQ)
req.linger = 0
req.rcvtimeo = 30000
req.connect(sys.argv[1])
for request in b"rubbish", b'{"version":1,"command":"status"}':
    req.send(request)
    reply = req.recv_json()
    print(reply["version"], reply.get("error", {}).get("code"), reply.get("result", {}).get("pending"))
`

// TestDoorForPyzmq: programs in other languages ask with libzmq.
func TestDoorForPyzmq(t *testing.T) {
	t.Parallel()
	python := ztest.Python(t)
	dir, _ := keystoreOf(t)
	sockets := t.TempDir()
	at := "ipc://" + filepath.Join(sockets, "control")
	startZauth(t, "--listen", "ipc://"+filepath.Join(sockets, "zap"), "--keystore", "dir:"+dir, "--control", at)
	out, err := exec.CommandContext(ztest.Context(t), python, "-c", askStatus, at).CombinedOutput()
	if err != nil || string(out) != "1 malformed None\n1 None 0\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAdmitToBolt: admit and deny change a bolt: keystore while zauth serves it.
func TestAdmitToBolt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url, at := "bolt:"+filepath.Join(dir, "clients.db"), "ipc://"+filepath.Join(dir, "control")
	ztest.Must(t, keystore.Create(url))
	z := startZauth(t, "--listen", "ipc://"+filepath.Join(dir, "zap"), "--keystore", url, "--admit-to", url, "--control", at)
	c := cert.Generate("alice")
	file := filepath.Join(dir, "alice.key")
	ztest.Must(t, c.SavePublic(file))
	for _, step := range []struct {
		args   []string
		status zap.Status
	}{
		{[]string{"pending"}, zap.StatusRefused},
		{[]string{"admit", c.Public.Fingerprint(), "--name", "alice", "--group", "a", "--group", "b"}, zap.StatusOK},
		{[]string{"deny", c.Public.Fingerprint()}, zap.StatusRefused},
	} {
		if code, stdout, stderr := run(t, append(step.args, "--control", at)...); code != 0 {
			t.Fatalf("%v: %d, %s%s", step.args, code, stdout, stderr)
		}
		if reply, err := ask(z.endpoint, "payments", file); err != nil || reply.Status != step.status {
			t.Errorf("after %v: %v, %v", step.args, reply, err)
		}
	}
}

// TestDoorLeavesServicesAlone: rubbish at the control socket and a subscriber that reads nothing
// do not disturb decisions.
func TestDoorLeavesServicesAlone(t *testing.T) {
	t.Parallel()
	dir, keys := keystoreOf(t, "alice")
	sockets := t.TempDir()
	at, published := "ipc://"+filepath.Join(sockets, "control"), "ipc://"+filepath.Join(sockets, "decisions")
	z := startZauth(t, "--listen", "ipc://"+filepath.Join(sockets, "zap"), "--keystore", "dir:"+dir, "--control", at, "--publish", published, "--log-level", "error")
	ctx := ztest.Context(t)
	deaf, err := zmtp.Dial(ctx, published, zmtp.Config{SocketType: "SUB", Mechanism: zap.Null})
	ztest.Must(t, err, deaf.Subscribe(ctx, nil))
	defer deaf.CloseNow()
	ztest.Background(t, func(ctx context.Context) error {
		conn, err := zmtp.Dial(ctx, at, zmtp.Config{SocketType: "DEALER", Mechanism: zap.Null})
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		for ctx.Err() == nil {
			if err := conn.Send(ctx, []byte("{")); err != nil {
				break
			}
			if _, err := conn.Recv(ctx); err != nil {
				break
			}
		}
		return nil
	})
	file := filepath.Join(sockets, "alice.key")
	c := cert.Certificate{Public: keys[0].Public()}
	ztest.Must(t, c.SavePublic(file))
	for range 200 {
		if reply, err := ask(z.endpoint, "payments", file); err != nil || reply.Status != zap.StatusOK {
			t.Fatalf("%v, %v", reply, err)
		}
	}
	client, err := control.Dial(ctx, at, zmtp.Config{Mechanism: zap.Null})
	ztest.Must(t, err)
	defer client.Close()
	if answer, err := client.Ask(ctx, control.Request{Command: control.CommandStatus}); err != nil || !strings.Contains(string(answer), `"count":200`) {
		t.Errorf("%s, %v", answer, err)
	}
}
