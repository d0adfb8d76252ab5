package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/policy"
	"github.com/zcurve/zcurve/zap"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(asModelWriter); url != "" {
		fmt.Fprintln(os.Stderr, writeAsModel(url))
		os.Exit(1)
	}
	ztest.Main(m)
}

// TestWatch: a valid change of the file or of a keystore applies. An invalid one is
// logged and changes nothing.
func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob := scenario.Named("alice"), scenario.Named("bob")
	put(t, filepath.Join(dir, "clients"), alice)
	put(t, filepath.Join(dir, "others"), bob)
	text := "security\n    curve = 1\n        keystore = dir:clients\n"
	p, log := load(t, dir, text)
	p.DontPoll()
	ztest.Background(t, p.Watch)
	admitted := func(key curve.PublicKey) bool {
		return p.Handle(t.Context(), ask("", "", zap.Curve, string(key[:]))).Status == zap.StatusOK
	}
	if !admitted(alice.Public) || admitted(bob.Public) {
		t.Fatal("the wrong client was admitted")
	}
	carol := scenario.Named("carol")
	put(t, filepath.Join(dir, "clients"), carol)
	ztest.Wait(t, "the keystore", func() bool { return admitted(carol.Public) })

	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), "security\n    curve = 1\n        keystore = dir:others\n")
	ztest.Wait(t, "another keystore", func() bool { return admitted(bob.Public) && !admitted(alice.Public) })
	dave := scenario.Named("dave")
	put(t, filepath.Join(dir, "others"), dave)
	ztest.Wait(t, "it is changed", func() bool { return admitted(dave.Public) })

	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), "security\n    curve = 1\n        keystor = dir:clients\n")
	ztest.Wait(t, "the fault", func() bool {
		return log.Count("level=ERROR", "policy.zpl:3:9: unknown name keystor: did you mean keystore?", "keeping the previous one") == 1
	})
	if !admitted(bob.Public) {
		t.Error("an invalid file has changed the policy")
	}
	ztest.Must(t, os.Remove(filepath.Join(dir, "policy.zpl")))
	ztest.Wait(t, "the file is missing", func() bool { return log.Count("level=ERROR", "no such file") >= 1 })
	if !admitted(bob.Public) {
		t.Error("a missing file has changed the policy")
	}
	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), text)
	ztest.Wait(t, "fixed", func() bool { return admitted(alice.Public) && !admitted(bob.Public) })
}

// TestChangedBeforeWatch: a change between Load and Watch applies, too.
func TestChangedBeforeWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, _ := load(t, dir, "security\n    anonymous = 0\n")
	ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), "security\n    anonymous = 1\n")
	p.DontPoll()
	ztest.Background(t, p.Watch)
	ztest.Wait(t, "the change", func() bool {
		return p.Handle(t.Context(), ask("", "", zap.Null)).Status == zap.StatusOK
	})
}

// TestPoll: polling finds a change of a link's target, which the file system doesn't
// report.
func TestPoll(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	file, link := filepath.Join(elsewhere, "policy.zpl"), filepath.Join(dir, "policy.zpl")
	ztest.WriteFile(t, file, "security\n    anonymous = 0\n")
	ztest.Must(t, os.Symlink(file, link))
	p, err := policy.Load(link, policy.Options{})
	ztest.Must(t, err)
	defer p.Close()
	ztest.Background(t, p.Watch)
	open := func() bool {
		return p.Handle(t.Context(), ask("", "", zap.Null)).Status == zap.StatusOK
	}
	ztest.WriteFile(t, file, "security\n    anonymous = 1\n")
	ztest.Wait(t, "the change", open)
	ztest.WriteFile(t, file, "security\n    anonymous = 0\n") // Watch has read the file once by now
	ztest.Wait(t, "another change", func() bool { return !open() })
}

// TestReloadUnderLoad: while a policy changes, each decision uses the old version or the
// new one.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	policies := make([]string, 2)
	for i, domain := range []string{"red", "blue"} {
		policies[i] = fmt.Sprintf(`security
    domain = %[1]s
    gssapi = 1
        principal = %[1]s
security
    gssapi = 1
        principal = %[1]s
`, domain)
	}
	p, _ := load(t, dir, policies[0])
	var work sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// In each version, the domain of the other version is one of all other domains.
				for _, who := range []string{"red", "blue"} {
					reply := p.Handle(t.Context(), ask("red", "", zap.GSSAPI, who))
					if reply.Status == zap.StatusOK && reply.UserID != who || reply.Rule == "" {
						t.Errorf("%s: %+v", who, reply)
					}
				}
			}
		})
	}
	for i := range 200 {
		ztest.WriteFile(t, filepath.Join(dir, "policy.zpl"), policies[i%2])
		ztest.Must(t, p.Reload())
		want := []string{"red", "blue"}[i%2]
		if reply := p.Handle(t.Context(), ask("x", "", zap.GSSAPI, want)); reply.Status != zap.StatusOK {
			t.Fatalf("%d: %+v", i, reply)
		}
	}
	close(stop)
	work.Wait()
}

// TestAllocations: deciding about a key or an address allocates nothing.
func TestAllocations(t *testing.T) {
	dir := t.TempDir()
	alice := scenario.Named("alice")
	put(t, filepath.Join(dir, "clients"), alice)
	p, _ := load(t, dir, "security\n    allow = 10.0.0.0/8\n    anonymous = 1\n    curve = 1\n        keystore = dir:clients\n")
	ctx := t.Context()
	for name, req := range map[string]*zap.Request{
		"CURVE":    ask("", "10.1.2.3", zap.Curve, string(alice.Public[:])),
		"stranger": ask("", "10.1.2.3", zap.Curve, string(make([]byte, 32))),
		"NULL":     ask("", "10.1.2.3", zap.Null),
		"outside":  ask("", "192.0.2.1", zap.Null),
	} {
		if n := testing.AllocsPerRun(1000, func() { p.Handle(ctx, req) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkDecide decides about a known key, an address, and a remembered password.
func BenchmarkDecide(b *testing.B) {
	dir := b.TempDir()
	alice := scenario.Named("alice")
	put(b, filepath.Join(dir, "clients"), alice)
	p, _ := load(b, dir, fmt.Sprintf("security\n    allow = 10.0.0.0/8\n    anonymous = 1\n    plain = 1\n        account\n            login = a\n            password = \"%s\"\n    curve = 1\n        keystore = dir:clients\n", bcryptOf(b, "x")))
	ctx := b.Context()
	for name, req := range map[string]*zap.Request{
		"CURVE": ask("", "10.1.2.3", zap.Curve, string(alice.Public[:])),
		"NULL":  ask("", "10.1.2.3", zap.Null),
		"PLAIN": ask("", "10.1.2.3", zap.Plain, "a", "x"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if reply := p.Handle(ctx, req); reply.Status != zap.StatusOK {
					b.Fatal(reply)
				}
			}
		})
	}
}
