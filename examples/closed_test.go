//go:build unix

package examples_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
)

// recipe is a service of the examples, changed so that its context has no ZAP handler.
// Each change is a list of pairs: a text and its replacement. With the change "late", the
// service starts its handler after it is bound and the file $NOW exists. With "gone", it
// stops the handler when $NOW exists, and then creates the file $GONE.
type recipe struct {
	source  string
	changes map[string][]string
	command func(t *testing.T, source string) []string
}

var recipes = map[string]recipe{
	"python": {
		source: "python/server.py",
		changes: map[string][]string{
			"no handler": {pythonStart, ""},
			"late":       {pythonStart, "", pythonBound, pythonBound + pythonWait + pythonStart},
			"gone": {"def ask_zauth(", `def until_now(inside, outside):
    import os
    while not os.path.exists(os.environ["NOW"]):
        for here, there in (inside, outside), (outside, inside):
            if here.poll(10):
                there.send_multipart(here.recv_multipart())
    inside.unbind("inproc://zeromq.zap.01")
    open(os.environ["GONE"], "w").close()


def ask_zauth(`, "target=zmq.proxy", "target=until_now"},
		},
		command: func(t *testing.T, source string) []string { return []string{ztest.Python(t), source} },
	},
	"c": {
		source: "c/server.c",
		changes: map[string][]string{
			"no handler": {cStart, ""},
			"late":       {cStart, "", cBound, cBound + cWait + cStart, "#include <zmq.h>\n", "#include <unistd.h>\n#include <zmq.h>\n"},
			"gone": {"    zmq_proxy (proxy->inside, proxy->outside, NULL);\n", `    zmq_pollitem_t items [] = {
        { proxy->inside, 0, ZMQ_POLLIN, 0 },
        { proxy->outside, 0, ZMQ_POLLIN, 0 },
    };
    while (access (getenv ("NOW"), F_OK)) {
        zmq_poll (items, 2, 10);
        for (int i = 0; i < 2; i++)
            for (int more = items [i].revents; more; ) {
                zmq_msg_t part;
                zmq_msg_init (&part);
                zmq_msg_recv (&part, items [i].socket, 0);
                more = zmq_msg_more (&part);
                zmq_msg_send (&part, items [1 - i].socket, more ? ZMQ_SNDMORE : 0);
            }
    }
    zmq_unbind (proxy->inside, "inproc://zeromq.zap.01");
    fclose (fopen (getenv ("GONE"), "w"));
`, "#include <zmq.h>\n", "#include <unistd.h>\n#include <zmq.h>\n"},
		},
		command: func(t *testing.T, source string) []string {
			program := filepath.Join(t.TempDir(), "server")
			return built(t, program, "gcc", "-o", program, "-Ic", source, "-lzmq", "-lpthread")
		},
	},
	"go": {
		source: "go/libzmq/main.go",
		changes: map[string][]string{
			"no handler": {goStart, "\t_, _ = libzmq.Start, client\n"},
			"late":       {goStart, "", goBound, goBound + goWait + goStart, "\t\"os\"\n", "\t\"os\"\n\t\"time\"\n"},
			"gone": {goStart, `	authenticator, err := libzmq.Start(nil, client, slog.Default())
	if err != nil {
		return err
	}
	go func() {
` + goWait + `		authenticator.Close()
		os.WriteFile(os.Getenv("GONE"), nil, 0o600)
	}()
`, "\t\"os\"\n", "\t\"os\"\n\t\"time\"\n"},
		},
		command: func(t *testing.T, source string) []string {
			dir := t.TempDir()
			program, overlay := filepath.Join(dir, "server"), filepath.Join(dir, "overlay.json")
			original, err := filepath.Abs("go/libzmq/main.go")
			ztest.Must(t, err)
			text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: source}})
			ztest.Must(t, err, os.WriteFile(overlay, text, 0o600))
			return built(t, program, "go", "build", "-overlay", overlay, "-o", program, "./go/libzmq")
		},
	},
}

// Parts of the services: the call that starts the handler, the line that reports the
// bound endpoint, and code that waits for the file $NOW.
const (
	pythonStart = "    ask_zauth(context, zauth, certificate, zauth_certificate)\n"
	pythonBound = `    print("serving on", server.last_endpoint.decode(), flush=True)` + "\n"
	pythonWait  = `    import os, time
    while not os.path.exists(os.environ["NOW"]):
        time.sleep(0.01)
`
	cStart = "    ask_zauth (context, argv [3]);      /*  before the first server socket binds  */\n"
	cBound = "    fflush (stdout);\n"
	cWait  = `    while (access (getenv ("NOW"), F_OK))
        zmq_poll (NULL, 0, 10);
`
	goStart = `	if _, err := libzmq.Start(nil, client, slog.Default()); err != nil {
		return err
	}
`
	goBound = `	fmt.Println("serving on", bound)` + "\n"
	goWait  = `	for _, err := os.Stat(os.Getenv("NOW")); err != nil; _, err = os.Stat(os.Getenv("NOW")) {
		time.Sleep(10 * time.Millisecond)
	}
`
)

// built runs a compiler and returns the command that runs its program.
func built(t *testing.T, program string, compiler ...string) []string {
	t.Helper()
	if out, err := output(t, compiler...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return []string{program}
}

// changed returns a command that runs the service with a change. The service contains
// each replaced text once.
func (r recipe) changed(t *testing.T, change string) []string {
	t.Helper()
	text, err := os.ReadFile(r.source)
	ztest.Must(t, err)
	source, parts := string(text), r.changes[change]
	for i := 0; i < len(parts); i += 2 {
		if strings.Count(source, parts[i]) != 1 {
			t.Fatalf("%s has %d times:\n%s", r.source, strings.Count(source, parts[i]), parts[i])
		}
		source = strings.Replace(source, parts[i], parts[i+1], 1)
	}
	file := filepath.Join(t.TempDir(), filepath.Base(r.source))
	ztest.Must(t, os.WriteFile(file, []byte(source), 0o600))
	return r.command(t, file)
}

// secondTry is how long a client waits for a decision before it tries again.
const secondTry = 300 * time.Millisecond

// door is a running service and the directory with its clients' certificates.
type door struct{ dir, endpoint string }

// knock makes at most tries handshakes, each within the given time, and returns the
// outcome of the last.
func (d door) knock(t *testing.T, who string, tries int, each time.Duration) string {
	t.Helper()
	out, err := output(t, ztest.Python(t), "testdata/knock.py", d.endpoint,
		filepath.Join(d.dir, who+".key_secret"), filepath.Join(d.dir, "server.key"), fmt.Sprint(tries), fmt.Sprint(each.Milliseconds()))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	outcomes := strings.Split(strings.TrimSpace(out), "\n")
	return outcomes[len(outcomes)-1]
}

// closed fails the test if any client is admitted.
func (d door) closed(t *testing.T, when string) {
	t.Helper()
	for _, who := range []string{"alice", "stranger"} {
		if got := d.knock(t, who, 3, secondTry); got != "no decision" {
			t.Errorf("%s: %s is %q, want \"no decision\"", when, who, got)
		}
	}
}

// open fails the test unless alice is eventually admitted and the stranger is refused.
func (d door) open(t *testing.T, when string) {
	t.Helper()
	if got := d.knock(t, "alice", 1000, ztest.Patience/10); got != "admitted" {
		t.Errorf("%s: alice is %q, want \"admitted\"", when, got)
	}
	if got := d.knock(t, "stranger", 1000, ztest.Patience/10); got != "refused" {
		t.Errorf("%s: the stranger is %q, want \"refused\"", when, got)
	}
}

// TestRecipesStayClosed checks that a service of the examples admits no one while its
// context has no handler, or while zauth isn't running.
func TestRecipesStayClosed(t *testing.T) {
	t.Parallel()
	ztest.NeedPeers(t)
	dir := t.TempDir()
	gen(t, dir, "server", "alice", "stranger")
	clients := filepath.Join(dir, "clients")
	ztest.Must(t,
		os.Mkdir(clients, 0o755),
		os.Rename(filepath.Join(dir, "alice.key"), filepath.Join(clients, "alice.key")))
	serve := func(t *testing.T, command []string, zauth string) door {
		t.Helper()
		return door{dir, start(t, "serving on ", slices.Concat(command, []string{"tcp://127.0.0.1:*", filepath.Join(dir, "server.key_secret"), zauth})...)}
	}
	startZauth := func(t *testing.T, endpoint string) string {
		t.Helper()
		return start(t, "listening on ", tool(t, "zauth"), "serve", "--log-format", "text", "--listen", endpoint, "--keystore", "dir:"+clients)
	}
	zauth := startZauth(t, "tcp://127.0.0.1:*")
	for name, r := range recipes {
		for change := range r.changes {
			t.Run(name+", "+change, func(t *testing.T) {
				t.Parallel()
				now, gone := filepath.Join(t.TempDir(), "now"), filepath.Join(t.TempDir(), "gone")
				d := serve(t, slices.Concat([]string{"env", "NOW=" + now, "GONE=" + gone}, r.changed(t, change)), zauth)
				if change == "gone" {
					d.open(t, "with a handler")
					ztest.WriteFile(t, now, "")
					ztest.Wait(t, "the end of the handler", func() bool {
						_, err := os.Stat(gone)
						return err == nil
					})
				}
				d.closed(t, "without a handler")
				if change == "late" {
					ztest.WriteFile(t, now, "")
					d.open(t, "with a handler")
				}
			})
		}
	}
	for name, s := range services(t) {
		t.Run(name+", zauth away", func(t *testing.T) {
			t.Parallel()
			endpoint := "tcp://" + ztest.ReservePort(t)
			d := serve(t, s.server, endpoint)
			d.closed(t, "before zauth")
			for _, when := range []string{"with zauth", "with zauth again"} {
				t.Run(when, func(t *testing.T) {
					startZauth(t, endpoint)
					d.open(t, when)
				})
				d.closed(t, "after zauth has exited")
			}
		})
	}
}
