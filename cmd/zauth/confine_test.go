//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

// TestSandbox: everything that zauth does after its start works in its sandbox: reloading what
// changes, also if it was replaced; writing the state; creating the audit log again; removing
// its socket.
func TestSandbox(t *testing.T) {
	t.Parallel()
	etc, state, logs, run := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	clients, auditFile, socket := filepath.Join(etc, "clients"), filepath.Join(logs, "audit"), filepath.Join(run, "zauth")
	linked := filepath.Join(t.TempDir(), "linked.key") // elsewhere, with a link to it
	alice, bob, dave := cert.Generate("alice"), cert.Generate("bob"), cert.Generate("dave")
	ztest.Must(t, os.Mkdir(clients, 0o755), alice.SavePublic(filepath.Join(clients, "alice.key")),
		dave.SavePublic(linked), os.Symlink(linked, filepath.Join(clients, "dave.key")))
	rules := filepath.Join(etc, "policy")
	ztest.WriteFile(t, rules, "security\n    curve = 1\n        keystore = dir:clients\n")
	config := filepath.Join(t.TempDir(), "zauth.conf")
	ztest.WriteFile(t, config, "log-level = info\n")
	z := startZauth(t, "--config", config, "--listen", "ipc://"+socket, "--policy", rules, "--state", filepath.Join(state, "state"), "--audit", auditFile, "--http", "127.0.0.1:0")
	admits := func(what string, client *cert.Certificate, status zap.Status) {
		t.Helper()
		ztest.Wait(t, what, func() bool { return askOnce(t, z.endpoint, client.Secret).Status == status })
	}
	admits("alice is admitted", alice, 200)

	ztest.Must(t, bob.SavePublic(filepath.Join(clients, "bob.key")))
	admits("a new client is admitted", bob, 200)
	other := cert.Generate("dave")
	ztest.Must(t, other.SavePublic(linked, cert.Replace))
	admits("the target of a link is read again", other, 200)
	store, err := keystore.Open(clients, nil)
	ztest.Must(t, err, store.Revoke(bob.Public, time.Now(), "stolen"), store.Close())
	admits("a revocation applies", bob, 400)
	ztest.Wait(t, "the state is written", func() bool {
		text, err := os.ReadFile(filepath.Join(state, "state"))
		return err == nil && strings.Contains(string(text), "stolen")
	})
	ztest.Must(t, os.Rename(clients, clients+".old"), os.Mkdir(clients, 0o755), os.Rename(clients+".old/.revoked", filepath.Join(clients, ".revoked")))
	carol := cert.Generate("carol")
	ztest.Must(t, carol.SavePublic(filepath.Join(clients, "carol.key")))
	admits("a keystore that was replaced is read", carol, 200)
	admits("the old one no longer counts", alice, 400)

	ztest.Must(t, os.Rename(auditFile, auditFile+".1"), z.cmd.Process.Signal(syscall.SIGHUP))
	z.waitFor(t, "msg=reloaded")
	admits("carol is still admitted", carol, 200)
	ztest.Wait(t, "the new audit log has a decision", func() bool {
		text, err := os.ReadFile(auditFile)
		return err == nil && strings.Contains(string(text), `"identity":"carol"`)
	})
	_, rest, _ := strings.Cut(z.log.String(), "\nlistening on http://")
	address, _, _ := strings.Cut(rest, "\n")
	resp, err := http.Get("http://" + address + "/metrics")
	ztest.Must(t, err)
	metrics, err := io.ReadAll(resp.Body)
	ztest.Must(t, err, resp.Body.Close())
	http.DefaultClient.CloseIdleConnections()
	for _, name := range []string{"process_start_time_seconds", "process_open_fds", "process_resident_memory_bytes"} {
		if !strings.Contains(string(metrics), "\n"+name+" ") {
			t.Errorf("no metric %s", name)
		}
	}

	ztest.Must(t, z.cmd.Process.Signal(os.Interrupt))
	z.end(t)
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it did not remove its socket: %v", err)
	}
	if n := z.log.Count("level=ERROR"); n != 0 {
		t.Errorf("%d errors", n)
	}
}

// TestSandboxRefuses: the kernel refuses zauth the files that it does not use, in all of its
// threads. If a new policy needs others, zauth says that it must be restarted.
func TestSandboxRefuses(t *testing.T) {
	t.Parallel()
	etc, elsewhere := t.TempDir(), t.TempDir()
	ztest.Must(t, os.Mkdir(filepath.Join(etc, "clients"), 0o755))
	addTo(t, elsewhere, "mallory")
	rules := filepath.Join(etc, "policy")
	ztest.WriteFile(t, rules, "security\n    curve = 1\n        keystore = dir:clients\n")
	z := startZauth(t, "--listen", "tcp://127.0.0.1:*", "--policy", rules)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", z.cmd.Process.Pid))
	ztest.Must(t, err)
	for _, thread := range threads {
		if text, err := os.ReadFile(thread); err == nil && !strings.Contains(string(text), "\nNoNewPrivs:\t1\n") {
			t.Errorf("%s: a thread can gain privileges", thread)
		}
	}
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < 1 {
		z.waitFor(t, "level=INFO", "sandbox not used: the system has no Landlock")
		return
	}
	z.waitFor(t, "sandbox used", "landlock=")
	ztest.WriteFile(t, rules, "security\n    curve = 1\n        keystore = dir:"+elsewhere+"\n")
	z.waitFor(t, "reloading the policy failed", "permission denied", "restart zauth")
	ztest.Must(t, z.cmd.Process.Signal(syscall.SIGHUP))
	z.waitFor(t, "reload failed", "permission denied", "restart zauth")
	ztest.WriteFile(t, rules, "security\n    curve = 1\n        keystore = dir:clients\n        group = all\n")
	z.waitFor(t, "policy loaded", "identities=0")
}

// TestAccesses: zauth allows itself what it needs, and no more.
func TestAccesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	for _, name := range []string{"etc/clients", "etc/services", "var", "log", "run", "cert", "elsewhere"} {
		ztest.Must(t, os.MkdirAll(in(name), 0o755))
	}
	addTo(t, in("elsewhere"), "alice")
	ztest.Must(t, os.Symlink(in("elsewhere/alice.key"), in("etc/clients/alice.key")), syscall.Mkfifo(in("fifo"), 0o600))
	ztest.WriteFile(t, in("etc/policy"), "security\n    curve = 1\n        keystore = dir:clients\n")
	withPolicy := func(f serveFlags) serveFlags { f.policy = in("etc/policy"); return f }
	withStore := func(f serveFlags) serveFlags { f.keystore = "dir:" + in("etc/clients"); return f }
	for _, tt := range []struct {
		name  string
		flags serveFlags
		want  []string
	}{
		{"policy", withPolicy(serveFlags{}), []string{"r etc", "w etc", "r etc", "r elsewhere", "u door"}},
		{"policy, state elsewhere", withPolicy(serveFlags{ruleFlags: ruleFlags{state: in("var/state")}}), []string{"r etc", "w var", "r etc", "r elsewhere", "u door"}},
		{"policy, no state", withPolicy(serveFlags{ruleFlags: ruleFlags{state: policy.StateNone}}), []string{"r etc", "r etc", "r elsewhere", "u door"}},
		{"keystore", withStore(serveFlags{}), []string{"w etc", "r etc", "r elsewhere", "u door"}},
		{"askers", withStore(serveFlags{cert: in("cert/zauth.key_secret"), ruleFlags: ruleFlags{state: policy.StateNone, askers: in("etc/services")}}),
			[]string{"r etc", "r elsewhere", "r etc", "r cert", "u door"}},
		{"audit", withPolicy(serveFlags{audit: in("log/audit"), ruleFlags: ruleFlags{state: policy.StateNone}}), []string{"r etc", "r etc", "r elsewhere", "w log", "u door"}},
		{"audit to a pipe", withPolicy(serveFlags{audit: in("fifo"), ruleFlags: ruleFlags{state: policy.StateNone}}), []string{"r etc", "r etc", "r elsewhere", "a fifo", "u door"}},
		{"configuration file", withPolicy(serveFlags{config: in("conf/zauth.conf"), ruleFlags: ruleFlags{state: policy.StateNone}}),
			[]string{"r etc", "r etc", "r elsewhere", "r conf", "u door"}},
		{"sockets", withPolicy(serveFlags{listen: []string{"ipc://" + in("run/zauth"), "ipc://@zauth", "tcp://127.0.0.1:1"}, audit: "-", ruleFlags: ruleFlags{state: policy.StateNone}}),
			[]string{"r etc", "r etc", "r elsewhere", "u run", "u door"}},
		{"keystore to admit to", withPolicy(serveFlags{doorFlags: doorFlags{admitTo: "bolt:" + in("var/clients.db")}, ruleFlags: ruleFlags{state: policy.StateNone}}),
			[]string{"r etc", "r etc", "r elsewhere", "w var", "u door"}},
	} {
		_, rules, err := tt.flags.open(slog.New(slog.DiscardHandler))
		ztest.Must(t, err)
		var got []string
		for _, a := range (&daemon{flags: tt.flags, rules: rules, doors: []string{"ipc://" + in("door/control")}}).accesses() {
			rel, err := filepath.Rel(dir, a.path)
			ztest.Must(t, err)
			got = append(got, map[rights]string{mayRead: "r ", mayWrite: "w ", mayAppend: "a ", mayUnlink: "u "}[a.rights]+rel)
			if a.why == "" {
				t.Errorf("%s: no reason for %s", tt.name, a.path)
			}
		}
		ztest.Must(t, rules.Close())
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestSandboxExplains: only errors about files outside the sandbox name it.
func TestSandboxExplains(t *testing.T) {
	t.Parallel()
	inside, gone := t.TempDir(), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	ztest.Must(t, os.Symlink(inside, link))
	s := &sandbox{allowed: []access{{path: inside}, {path: gone}}, dirs: map[string]fs.FileInfo{}}
	for _, dir := range []string{inside, gone} {
		info, err := os.Stat(dir)
		ztest.Must(t, err)
		s.dirs[dir] = info
	}
	ztest.Must(t, os.Rename(gone, gone+".old"), os.Mkdir(gone, 0o755))
	ztest.WriteFile(t, filepath.Join(inside, "file"), "")
	at := func(path string, err error) error {
		return fmt.Errorf("loading: %w", &fs.PathError{Op: "open", Path: path, Err: err})
	}
	for _, tt := range []struct {
		err  error
		says bool
	}{
		{at("/etc/shadow", syscall.EACCES), true},
		{at("/etc/shadow", syscall.ENOENT), false},
		{at(filepath.Join(inside, "file"), syscall.EACCES), false},
		{at(filepath.Join(link, "file"), syscall.EACCES), false},
		{at(filepath.Join(inside, "../file"), syscall.EACCES), true},
		{at(filepath.Join(gone, "file"), syscall.EACCES), true},
		{errors.New("permission denied"), false},
	} {
		got := s.explain(tt.err)
		if says := strings.Contains(got.Error(), "Landlock"); says != tt.says || !errors.Is(got, tt.err) {
			t.Errorf("%v: %v", tt.err, got)
		}
		if none := (*sandbox)(nil).explain(tt.err); none != tt.err {
			t.Errorf("without a sandbox: %v", none)
		}
	}
}
