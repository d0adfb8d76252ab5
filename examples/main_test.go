//go:build unix

package examples_test

import (
	"context"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

func TestMain(m *testing.M) { os.Exit(ztest.WithPrograms(m).Run()) }

// tool builds zcert or zauth and returns its path.
func tool(t *testing.T, name string) string {
	t.Helper()
	return ztest.GoProgram(t, "cmd/"+name, "CGO_ENABLED=0")
}

// tools returns a directory with zcert and zauth.
func tools(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"zcert", "zauth"} {
		ztest.Must(t, os.Symlink(tool(t, name), filepath.Join(dir, name)))
	}
	return dir
}

// service holds the commands that run an example's server and client.
type service struct{ server, client []string }

// services builds the examples.
func services(t *testing.T) map[string]service {
	t.Helper()
	python := ztest.Python(t)
	return map[string]service{
		"python": {
			server: []string{python, "python/server.py"},
			client: []string{python, "python/client.py"},
		},
		"c": {
			server: []string{ztest.CProgram(t, "examples/c/server.c", "-lzmq", "-lpthread")},
			client: []string{ztest.CProgram(t, "examples/c/client.c", "-lzmq")},
		},
		"go": {
			server: []string{ztest.GoProgram(t, "examples/go/server", "CGO_ENABLED=0")},
			client: []string{ztest.GoProgram(t, "examples/go/client", "CGO_ENABLED=0")},
		},
	}
}

// output runs a command and returns its output. It kills a command that takes too long, or
// that fails, with all processes it has started.
func output(t *testing.T, words ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*ztest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = ztest.Patience // for processes that keep the output open
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.Process != nil {
		cmd.Cancel()
	}
	return string(out), err
}

// underShell runs its arguments as a command and kills it when stdin ends: when the test ends,
// or when its process is killed.
const underShell = `"$@" & exec >/dev/null 2>&1; read -r line; kill -KILL $!; wait`

// running is a program that runs until the test ends.
type running struct {
	words []string
	log   ztest.Log     // its output
	ended chan struct{} // closed when it has exited
}

// run starts a program.
func run(t *testing.T, words ...string) *running {
	t.Helper()
	r := &running{words: words, ended: make(chan struct{})}
	said, output, err := os.Pipe()
	ztest.Must(t, err)
	cmd := exec.Command("sh", append([]string{"-c", underShell, "sh"}, words...)...)
	cmd.Stdout, cmd.Stderr = output, output
	stdin, err := cmd.StdinPipe()
	ztest.Must(t, err, cmd.Start(), output.Close())
	go func() {
		defer close(r.ended)
		io.Copy(&r.log, said)
		said.Close()
	}()
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
		ztest.Receive(t, "the end of the output", r.ended)
		if t.Failed() {
			t.Logf("output of %q:\n%s", words, r.log.String())
		}
	})
	return r
}

// await waits for a line of output that begins with prefix, and returns the rest of that
// line.
func (r *running) await(t *testing.T, prefix string) (after string) {
	t.Helper()
	ztest.Wait(t, strings.Join(r.words, " ")+": "+prefix, func() bool {
		last := false
		select {
		case <-r.ended:
			last = true
		default:
		}
		for line := range strings.Lines(r.log.String()) {
			if rest, ok := strings.CutPrefix(line, prefix); ok && strings.HasSuffix(rest, "\n") {
				after = strings.TrimSuffix(rest, "\n")
				return true
			}
		}
		if last {
			t.Fatalf("%q exited without %q", r.words, prefix)
		}
		return false
	})
	return after
}

// start runs a program until the test ends. It waits for a line of output that begins with
// prefix, and returns the rest of that line.
func start(t *testing.T, prefix string, words ...string) (after string) {
	t.Helper()
	return run(t, words...).await(t, prefix)
}

// gen generates certificates in dir.
func gen(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if out, err := output(t, tool(t, "zcert"), "gen", filepath.Join(dir, name)); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// TestServices runs each server with each client. Alice, whose certificate is in the
// keystore, gets a reply with her name. A stranger, and alice with a wrong server key,
// get an error with the reason.
func TestServices(t *testing.T) {
	t.Parallel()
	services := services(t)
	dir := t.TempDir()
	gen(t, dir, "server", "alice", "stranger")
	clients := filepath.Join(dir, "clients")
	ztest.Must(t,
		os.Mkdir(clients, 0o755),
		os.Rename(filepath.Join(dir, "alice.key"), filepath.Join(clients, "alice.key")))
	zauth := start(t, "listening on ", tool(t, "zauth"), "serve", "--log-format", "text", "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+clients)
	endpoints := map[string]string{
		"policy": start(t, "serving on ", ztest.GoProgram(t, "examples/go/policy", "CGO_ENABLED=0"),
			"tcp://127.0.0.1:*", filepath.Join(dir, "server.key_secret"), clients),
	}
	servers := map[string][]string{
		"asyncio": {ztest.Python(t), "testdata/asyncio_server.py"},
		"libzmq":  {ztest.GoProgram(t, "examples/go/libzmq", "CGO_ENABLED=1")},
	}
	for name, s := range services {
		servers[name] = s.server
	}
	for name, words := range servers {
		endpoints[name] = start(t, "serving on ", slices.Concat(words, []string{"tcp://127.0.0.1:*", filepath.Join(dir, "server.key_secret"), zauth})...)
	}
	for serverName, endpoint := range endpoints {
		t.Run(serverName+" server, several parts", func(t *testing.T) {
			t.Parallel()
			sendSeveralParts(t, endpoint, filepath.Join(dir, "alice.key_secret"), filepath.Join(dir, "server.key"))
		})
		for clientName, c := range services {
			for _, tt := range []struct {
				name, certificate, server string
				want                      []string
				fails                     bool
			}{
				{"known", "alice", "server", []string{"reply: hello alice"}, false},
				{"stranger", "stranger", "server", []string{"HANDSHAKE_FAILED_AUTH 400", "refused by server: 400"}, true},
				{"wrong server key", "alice", "stranger", []string{"HANDSHAKE_FAILED_NO_DETAIL", "the server key is probably wrong"}, true},
			} {
				t.Run(serverName+" server, "+clientName+" client, "+tt.name, func(t *testing.T) {
					t.Parallel()
					out, err := output(t, slices.Concat(c.client, []string{
						endpoint, filepath.Join(dir, tt.certificate+".key_secret"), filepath.Join(dir, tt.server+".key"),
					})...)
					if (err != nil) != tt.fails {
						t.Errorf("%v: %s", err, out)
					}
					for _, want := range tt.want {
						if strings.Contains(out, want) {
							return
						}
					}
					t.Errorf("output %q, want one of %q", out, tt.want)
				})
			}
		}
	}
}

// sendSeveralParts sends multipart messages, which no client of the examples does. The
// server replies to each.
func sendSeveralParts(t *testing.T, endpoint, certificate, serverCertificate string) {
	me, err := cert.Load(certificate)
	ztest.Must(t, err)
	server, err := cert.Load(serverCertificate)
	ztest.Must(t, err)
	ctx := ztest.Context(t)
	conn, err := zmtp.Dial(ctx, endpoint, zmtp.Config{
		SocketType: "REQ",
		Mechanism:  zap.Curve,
		Key:        me.Secret,
		ServerKey:  server.Public,
	})
	ztest.Must(t, err)
	defer conn.Close()
	for range 2 {
		ztest.Must(t, conn.Send(ctx, nil, []byte("good"), []byte("morning")))
		reply, err := conn.Recv(ctx)
		ztest.Must(t, err)
		want := [][]byte{{}, []byte("hello alice")}
		if diff := cmp.Diff(want, reply, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("reply (-want +got):\n%s", diff)
		}
	}
}

// TestDemo runs the demo, and checks that its recording in the README shows the same.
func TestDemo(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t)
	out, err := output(t, ztest.GoProgram(t, "examples/demo", "CGO_ENABLED=1"), "-bin", tools(t))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var recording struct {
		Text []string `xml:"text"`
	}
	text, err := os.ReadFile("../docs/images/demo.svg")
	ztest.Must(t, err, xml.Unmarshal(text, &recording))
	// Long lines are wrapped, and ports differ.
	plain := func(s string) string {
		s = strings.Join(strings.Fields(s), "")
		return regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(s, "127.0.0.1:PORT")
	}
	if diff := cmp.Diff(plain(out), plain(strings.Join(recording.Text, ""))); diff != "" {
		t.Errorf("docs/images/demo.svg is out of date: run make recording (-demo +recording):\n%s", diff)
	}
	for _, want := range []string{"hello alice", "refused by server: 400", "HANDSHAKE_FAILED_AUTH 400", "server key is probably wrong"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
}
