package examples_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/zap"
	"github.com/zcurve/zcurve/zmtp"
)

// bin is where TestMain puts the programs.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if bin, err = os.MkdirTemp("", "zcurve-examples-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(bin)
		for _, build := range [][]string{
			{"CGO_ENABLED=0", "go", "build", "-o", bin + "/", "../cmd/zcert", "../cmd/zauth"},
			{"CGO_ENABLED=0", "go", "build", "-o", filepath.Join(bin, "go-client"), "./go/client"},
			{"CGO_ENABLED=1", "go", "build", "-o", filepath.Join(bin, "go-server"), "./go/server"},
			{"CGO_ENABLED=1", "go", "build", "-o", filepath.Join(bin, "demo"), "./demo"},
			{"LC_ALL=C", "gcc", "-Wall", "-Wextra", "-Werror", "-o", filepath.Join(bin, "c-server"), "c/server.c", "-lzmq", "-lpthread"},
			{"LC_ALL=C", "gcc", "-Wall", "-Wextra", "-Werror", "-o", filepath.Join(bin, "c-client"), "c/client.c", "-lzmq"},
		} {
			cmd := exec.Command(build[1], build[2:]...)
			cmd.Env = append(os.Environ(), build[0])
			if out, err := cmd.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "%v: %v\n%s", build, err, out)
				return 1
			}
		}
		return m.Run()
	}())
}

// python is a Python that has pyzmq from Debian's package.
const python = "/usr/bin/python3"

// service is how to run an example's server and client.
type service struct{ server, client []string }

var services = map[string]service{
	"python": {[]string{python, "python/server.py"}, []string{python, "python/client.py"}},
	"c":      {[]string{"c-server"}, []string{"c-client"}},
	"go":     {[]string{"go-server"}, []string{"go-client"}},
}

// command makes a command of a program in bin, or of Python and a file here.
func command(ctx context.Context, words ...string) *exec.Cmd {
	if words[0] != python {
		words[0] = filepath.Join(bin, words[0])
	}
	return exec.CommandContext(ctx, words[0], words[1:]...)
}

// start runs a program until the test ends, and returns what follows prefix in
// the line of stdout or stderr that begins so.
func start(t *testing.T, prefix string, words ...string) (after string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := command(ctx, words...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
		r.Close()
	})
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			go func() {
				for lines.Scan() { // lest it blocks
				}
			}()
			return rest
		}
		t.Log(lines.Text())
	}
	t.Fatalf("%v ended without %q", words, prefix)
	return ""
}

// gen makes certificates in dir.
func gen(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if out, err := command(context.Background(), "zcert", "gen", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

// TestServices runs each server with each client: alice, whose certificate is
// in zauth's keystore, is answered by her name; a stranger and one who has a
// wrong server key are told why not.
func TestServices(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gen(t, dir, "server", "alice", "stranger")
	clients := filepath.Join(dir, "clients")
	if err := os.Mkdir(clients, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "alice.key"), filepath.Join(clients, "alice.key")); err != nil {
		t.Fatal(err)
	}
	zauth := start(t, "listening on ", "zauth", "serve", "--listen", "tcp://127.0.0.1:*", "--keystore", "dir:"+clients)
	for serverName, s := range services {
		endpoint := start(t, "serving on ", append(s.server, "tcp://127.0.0.1:*", filepath.Join(dir, "server.key_secret"), zauth)...)
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
					ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
					defer cancel()
					out, err := command(ctx, append(append([]string{}, c.client...), endpoint,
						filepath.Join(dir, tt.certificate+".key_secret"), filepath.Join(dir, tt.server+".key"))...).CombinedOutput()
					if (err != nil) != tt.fails {
						t.Errorf("%v: %s", err, out)
					}
					for _, want := range tt.want {
						if strings.Contains(string(out), want) {
							return
						}
					}
					t.Errorf("it says %q, want one of %q", out, tt.want)
				})
			}
		}
	}
}

// sendSeveralParts asks as no client of the examples does. The server answers
// nevertheless, and goes on.
func sendSeveralParts(t *testing.T, endpoint, certificate, serverCertificate string) {
	me, _, err := cert.Load(certificate)
	if err != nil {
		t.Fatal(err)
	}
	server, _, err := cert.Load(serverCertificate)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := zmtp.Dial(ctx, endpoint, zmtp.Config{
		SocketType: "REQ",
		Mechanism:  zap.MechanismCurve,
		Keys:       me.KeyPair(),
		ServerKey:  server.Public,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		if err := conn.Send(ctx, nil, []byte("good"), []byte("morning")); err != nil {
			t.Fatal(err)
		}
		reply, err := conn.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := [][]byte{{}, []byte("hello alice")}
		if diff := cmp.Diff(want, reply, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("reply (-want +got):\n%s", diff)
		}
	}
}

// TestDemo: everything goes as the story tells.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := command(ctx, "demo", "-bin", bin).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"hello alice", "refused by server: 400", "HANDSHAKE_FAILED_AUTH 400", "server key is probably wrong"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
}
