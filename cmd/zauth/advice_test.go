package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/internal/ztest/scenario"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
)

// TestAdviceBy: the advice of the monitor knows in which keystore a key is, also without a policy,
// and the file of its certificate only if there is one for it.
func TestAdviceBy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	alice, bob := scenario.Named("alice"), scenario.Named("bob")
	ztest.Must(t, os.Mkdir(path("clients"), 0o700))
	ztest.Must(t, alice.SavePublic(path("clients/alice.key")))
	ztest.Must(t, keystore.Create("bolt:"+path("clients.db")))
	store, err := keystore.Open("bolt:"+path("clients.db"), nil)
	ztest.Must(t, err)
	ztest.Must(t, store.Put(&keystore.Identity{Name: "alice", Certificate: alice}))
	ztest.Must(t, store.Revoke(bob.Public, time.Now(), "stolen"))
	ztest.Must(t, store.Close())
	ztest.Must(t, os.WriteFile(path("policy.zpl"), []byte("security\n    curve = 1\n        keystore = dir:clients\n        group = traders\n"), 0o600))
	inFile, inDatabase := "dir:"+path("clients")+" "+path("clients/alice.key"), "bolt:"+path("clients.db")+" "
	for _, c := range []struct {
		flags              ruleFlags
		alice, bob, groups string
	}{
		{ruleFlags{policy: path("policy.zpl")}, inFile, " ", "[traders]"},
		{ruleFlags{keystore: "dir:" + path("clients")}, inFile, " ", "[]"},
		{ruleFlags{keystore: "bolt:" + path("clients.db")}, inDatabase, inDatabase, "[]"},
	} {
		c.flags.state = "none"
		_, rules, err := c.flags.open(slog.New(slog.DiscardHandler))
		ztest.Must(t, err)
		defer rules.Close()
		advice := adviceBy(rules, "dir:"+path("clients"))
		if got, want := advice.Admits("payments"), strings.HasPrefix(c.alice, "dir:"); got != want || advice.Admits(policy.LinkDomain) {
			t.Errorf("%+v: admits to payments %v, want %v, and to none of zauth's own domains", c.flags, got, want)
		}
		url, file := advice.Keystore(alice.Public)
		revokedURL, revokedFile := advice.Keystore(bob.Public)
		got := fmt.Sprintf("%s %s, %s %s, %v, %s", url, file, revokedURL, revokedFile, advice.Groups("payments"), advice.AdmitTo)
		want := fmt.Sprintf("%s, %s, %s, dir:%s", c.alice, c.bob, c.groups, path("clients"))
		if got != want {
			t.Errorf("%+v: got %q, expected %q", c.flags, got, want)
		}
	}
}
