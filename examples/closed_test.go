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

// recipe is a service of the examples, with what starts the handler in its context.
type recipe struct {
	source string
	call   string // starts the handler
	stub   string // in its place, where nothing does
	bound  string // the line behind which the socket is bound
	late   string // waits for the file $LATE
	run    func(t *testing.T, source string) []string
}

var recipes = map[string]recipe{
	"python": {
		source: "python/server.py",
		call:   "    ask_zauth(context, zauth, certificate, zauth_certificate)\n",
		bound:  `    print("serving on", server.last_endpoint.decode(), flush=True)` + "\n",
		late: `    import os, time
    while not os.path.exists(os.environ["LATE"]):
        time.sleep(0.01)
`,
		run: func(t *testing.T, source string) []string { return []string{ztest.Python(t), source} },
	},
	"c": {
		source: "c/server.c",
		call:   "    ask_zauth (context, argv [3]);      /*  before the first server socket binds  */\n",
		bound:  "    fflush (stdout);\n",
		late: `    struct timespec pause = { 0, 10000000 };
    for (FILE *file = NULL; !file; nanosleep (&pause, NULL))
        file = fopen (getenv ("LATE"), "r");
`,
		run: func(t *testing.T, source string) []string {
			program := filepath.Join(t.TempDir(), "server")
			out, err := output(t, "gcc", "-o", program, "-Ic", source, "-lzmq", "-lpthread")
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return []string{program}
		},
	},
	"go": {
		source: "go/server/main.go",
		call: `	if _, err := libzmq.Start(context.Background(), nil, client, slog.Default()); err != nil {
		return err
	}
`,
		stub:  "	_ = context.Background\n",
		bound: `	fmt.Println("serving on", bound)` + "\n",
		late: `	for _, err := os.Stat(os.Getenv("LATE")); err != nil; _, err = os.Stat(os.Getenv("LATE")) {
	}
`,
		run: func(t *testing.T, source string) []string {
			dir := t.TempDir()
			original, err := filepath.Abs("go/server/main.go")
			ztest.Must(t, err)
			overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: source}})
			ztest.Must(t, err, os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600))
			program := filepath.Join(dir, "server")
			out, err := output(t, "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "./go/server")
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return []string{program}
		},
	},
}

// edited is a command that runs the recipe without the call that starts the handler,
// or with that call when the socket is bound and the file $LATE exists.
func (r recipe) edited(t *testing.T, late bool) []string {
	t.Helper()
	text, err := os.ReadFile(r.source)
	ztest.Must(t, err)
	source := string(text)
	for _, part := range []string{r.call, r.bound} {
		if strings.Count(source, part) != 1 {
			t.Fatalf("%s has %d times:\n%s", r.source, strings.Count(source, part), part)
		}
	}
	if late {
		source = strings.Replace(source, r.call, "", 1)
		source = strings.Replace(source, r.bound, r.bound+r.late+r.call, 1)
	} else {
		source = strings.Replace(source, r.call, r.stub, 1)
	}
	file := filepath.Join(t.TempDir(), filepath.Base(r.source))
	ztest.Must(t, os.WriteFile(file, []byte(source), 0o600))
	return r.run(t, file)
}

// secondTry is how long a client waits for a server that doesn't decide.
const secondTry = 300 * time.Millisecond

// door is a running service with those who knock there.
type door struct{ dir, endpoint string }

// knock returns how a client's last handshake ends, of so many that take so long at
// most.
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

// closed fails the test if anybody gets in.
func (d door) closed(t *testing.T, when string) {
	t.Helper()
	for _, who := range []string{"alice", "stranger"} {
		if got := d.knock(t, who, 3, secondTry); got != "kept out" {
			t.Errorf("%s: %s is %q, want \"kept out\"", when, who, got)
		}
	}
}

// open fails the test unless alice gets in, in the end, and the stranger doesn't.
func (d door) open(t *testing.T, when string) {
	t.Helper()
	if got := d.knock(t, "alice", 1000, ztest.Patience/10); got != "admitted" {
		t.Errorf("%s: alice is %q, want \"admitted\"", when, got)
	}
	if got := d.knock(t, "stranger", 1000, ztest.Patience/10); got != "refused" {
		t.Errorf("%s: the stranger is %q, want \"refused\"", when, got)
	}
}

// TestRecipesStayClosed: a service of the examples admits nobody while there is no
// handler in its context, because nothing starts one or it is started late, and while
// zauth isn't there yet or no longer.
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
		return start(t, "listening on ", tool(t, "zauth"), "serve", "--listen", endpoint, "--keystore", "dir:"+clients)
	}
	zauth := startZauth(t, "tcp://127.0.0.1:*")
	for name, r := range recipes {
		t.Run(name+", no handler", func(t *testing.T) {
			t.Parallel()
			serve(t, r.edited(t, false), zauth).closed(t, "without a handler")
		})
		t.Run(name+", late handler", func(t *testing.T) {
			t.Parallel()
			late := filepath.Join(t.TempDir(), "late")
			d := serve(t, slices.Concat([]string{"env", "LATE=" + late}, r.edited(t, true)), zauth)
			d.closed(t, "before there is a handler")
			ztest.WriteFile(t, late, "")
			d.open(t, "with a late handler")
		})
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
				d.closed(t, "after zauth has gone")
			}
		})
	}
}
