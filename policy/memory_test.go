package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
)

var stateTime = time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)

// stateText returns the text of a state file with this content.
func stateText(body string) string {
	sum := sha256.Sum256([]byte(body))
	return fmt.Sprintf(`{"zcurve_state":1,"sum":"%s"}`+"\n%s", hex.EncodeToString(sum[:]), body)
}

// TestMalformedState: a damaged state file is an error. Without it, revoked keys could
// be admitted.
func TestMalformedState(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey().Public()
	body, err := json.Marshal(state{Revoked: map[curve.PublicKey]keystore.RevokedKey{key: {Time: stateTime}}})
	ztest.Must(t, err)
	good := stateText(string(body))
	path := filepath.Join(t.TempDir(), "state")
	ztest.WriteFile(t, path, good)
	if r, err := readState(path); err != nil || len(r.Revoked) != 1 || !r.Revoked[key].Time.Equal(stateTime) {
		t.Errorf("good: %+v, %v", r, err)
	}
	if r, err := readState(path + ".missing"); err != nil || len(r.Revoked) != 0 {
		t.Errorf("missing: %+v, %v", r, err)
	}
	withDecoys := func(decoys string) string { return strings.Replace(good, `"sum"`, `"decoys":`+decoys+`,"sum"`, 1) }
	ztest.WriteFile(t, path, withDecoys(`"`+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))+`"`))
	if r, err := readState(path); err != nil || r.decoys[31] != 7 || len(r.Revoked) != 1 {
		t.Errorf("with decoys: %+v, %v", r, err)
	}
	for name, text := range map[string]string{
		"a short key":      withDecoys(`"AAAA"`),
		"a long key":       withDecoys(`"` + strings.Repeat("AAAA", 11) + `"`),
		"no base64":        withDecoys(`"!"`),
		"no text":          withDecoys(`7`),
		"empty":            "",
		"no sum":           `{"zcurve_state":1}` + "\n{}",
		"cut":              good[:len(good)-5],
		"longer":           good + "\n",
		"a flipped bit":    strings.Replace(good, "2026", "2027", 1),
		"another format":   strings.Replace(good, `"zcurve_state":1`, `"zcurve_state":2`, 1),
		"junk":             "\x00\xff\n",
		"no JSON":          stateText("nothing"),
		"an unknown field": stateText(`{"revoke":{}}`),
		"two values":       stateText(`{} {}`),
		"no key":           stateText(`{"revoked":{"x":{}}}`),
		"no authority":     stateText(`{"lists":{"x":{}}}`),
	} {
		ztest.WriteFile(t, path, text)
		if _, err := readState(path); !errors.Is(err, errState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ztest.Must(t, os.Remove(path), os.Mkdir(path, 0o755))
	if _, err := readState(path); err == nil {
		t.Error("a directory is read as a state file")
	}
	link := path + ".link"
	ztest.Must(t, os.Symlink(path+".missing", link))
	if _, err := readState(link); err == nil {
		t.Error("a dangling link is read as an empty state")
	}
}

// FuzzState: any text is a state or errState.
func FuzzState(f *testing.F) {
	f.Add([]byte(stateText(`{"revoked":{"x":{"time":"2026-01-31T23:59:59Z"}},"lists":{}}`)))
	f.Add([]byte(stateText(`{}`)))
	f.Add([]byte(strings.Replace(stateText(`{}`), `"sum"`, `"decoys":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=","sum"`, 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, text := range [][]byte{text, []byte(stateText(string(text)))} {
			if _, err := parseState(text); err != nil && !errors.Is(err, errState) {
				t.Fatal(err)
			}
		}
	})
}

// stores returns keystores in memory.
func stores(t testing.TB, count int) (all []keystore.Store) {
	t.Helper()
	for range count {
		s, err := keystore.Open("mem:", nil)
		ztest.Must(t, err)
		all = append(all, s)
	}
	return all
}

// TestForgetting: a key is forgotten when its revocation is lifted, but not by an
// earlier lifting, nor while a store has it revoked.
func TestForgetting(t *testing.T) {
	t.Parallel()
	key := curve.GenerateKey().Public()
	hour := func(n int) time.Time { return stateTime.Add(time.Duration(n) * time.Hour) }
	m, err := openMemory(filepath.Join(t.TempDir(), "state"))
	ztest.Must(t, err)
	learn := func(want bool, what string, from ...keystore.Store) {
		t.Helper()
		ztest.Must(t, m.learn(from, nil))
		again, err := openMemory(m.path)
		ztest.Must(t, err)
		for _, m := range []*memory{m, again} {
			if _, got := m.revocation(key); got != want {
				t.Errorf("%s: remembered %v, want %v", what, got, want)
			}
		}
	}
	s := stores(t, 3)
	a, b, old := s[0], s[1], s[2]
	ztest.Must(t, old.Revoke(key, hour(-9), ""), old.Unrevoke(key, hour(-8), ""))
	learn(false, "lifted long ago", old)
	ztest.Must(t, a.Revoke(key, hour(0), ""))
	learn(true, "revoked", a, old)
	learn(true, "its store is gone", old)
	ztest.Must(t, b.Revoke(key, hour(5), ""), a.Unrevoke(key, hour(3), ""))
	learn(true, "lifted in one store, revoked in another", a, b)
	learn(true, "then revoked in the other store, which is gone", a)
	ztest.Must(t, b.Unrevoke(key, hour(6), ""))
	learn(false, "lifted in both", a, b)
	ztest.Must(t, b.Revoke(key, hour(-20), "")) // a clock was set back
	learn(true, "revoked again", a, b)
	learn(true, "its store is gone again", a)
	ztest.Must(t, a.Unrevoke(key, hour(7), ""))
	learn(false, "lifted for good", a)
}

// TestDecoyKey: processes with the same state use the same key for decoys, the one that was
// written first. What they learn at the same time is kept.
func TestDecoyKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state")
	open := func() *memory {
		m, err := openMemory(path)
		ztest.Must(t, err)
		return m
	}
	old, a, b := open(), open(), open()
	a.needDecoys()
	b.needDecoys()
	key := a.current.Load().decoys
	if key == b.current.Load().decoys || key == [decoyKeySize]byte{} {
		t.Fatal("not random")
	}
	revoked := stores(t, 1)
	ztest.Must(t, revoked[0].Revoke(curve.GenerateKey().Public(), stateTime, ""))
	ztest.Must(t, a.learn(nil, nil), b.learn(nil, nil), old.learn(revoked, nil))
	old.needDecoys()
	for i, m := range []*memory{a, b, old, open()} {
		if m.current.Load().decoys != key {
			t.Errorf("%d: another key", i)
		}
	}
	// A lost file is written again with the key.
	ztest.Must(t, os.Remove(path), revoked[0].Revoke(curve.GenerateKey().Public(), stateTime, ""), a.learn(revoked, nil))
	if m := open(); m.current.Load().decoys != key || len(m.current.Load().Revoked) != 2 {
		t.Errorf("after the file was lost: %+v", m.current.Load())
	}
}

// TestEarlierVersion: a program that knows no decoys reads a state that has their key, as it
// ignores what it does not know in the first line.
func TestEarlierVersion(t *testing.T) {
	t.Parallel()
	m, err := openMemory(filepath.Join(t.TempDir(), "state"))
	ztest.Must(t, err)
	m.needDecoys()
	ztest.Must(t, m.learn(nil, nil))
	text, err := os.ReadFile(m.path)
	ztest.Must(t, err)
	head, body, _ := bytes.Cut(text, []byte("\n"))
	var earlier struct {
		Version int    `json:"zcurve_state"`
		Sum     string `json:"sum"`
	}
	sum := sha256.Sum256(body)
	if err := json.Unmarshal(head, &earlier); err != nil || earlier.Version != 1 || earlier.Sum != hex.EncodeToString(sum[:]) || string(body) != "{}" {
		t.Errorf("%s: %v", text, err)
	}
}

// TestNewestList: the newest list of each authority is remembered, whichever comes
// first.
func TestNewestList(t *testing.T) {
	t.Parallel()
	m, err := openMemory(filepath.Join(t.TempDir(), "state"))
	ztest.Must(t, err)
	acme, other := cert.GenerateAuthority(""), cert.GenerateAuthority("")
	list := func(a *cert.Authority, issued time.Time) *cert.RevocationList {
		l := new(cert.RevocationList)
		ztest.Must(t, a.SignRevocations(l, issued, issued.Add(time.Hour)))
		return l
	}
	ztest.Must(t, m.learn(nil, []*cert.RevocationList{list(acme, stateTime)}))
	ztest.Must(t, m.learn(nil, []*cert.RevocationList{list(acme, stateTime.Add(-time.Hour)), list(other, stateTime.Add(-time.Hour))}))
	again, err := openMemory(m.path)
	ztest.Must(t, err)
	want := map[cert.AuthorityKey]seenList{acme.Key: {Issued: stateTime}, other.Key: {Issued: stateTime.Add(-time.Hour)}}
	if got := again.current.Load().Lists; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestTogether: merging two states keeps what either has.
func TestTogether(t *testing.T) {
	t.Parallel()
	one, two, three := curve.GenerateKey().Public(), curve.GenerateKey().Public(), curve.GenerateKey().Public()
	acme := cert.GenerateAuthority("").Key
	early, late := keystore.RevokedKey{Time: stateTime}, keystore.RevokedKey{Time: stateTime.Add(time.Hour)}
	a := &state{Revoked: map[curve.PublicKey]keystore.RevokedKey{one: early, two: late}, Lists: map[cert.AuthorityKey]seenList{acme: {Issued: stateTime, Count: 2}}}
	b := &state{Revoked: map[curve.PublicKey]keystore.RevokedKey{two: early, three: early}, Lists: map[cert.AuthorityKey]seenList{acme: {Issued: stateTime, Count: 1}}}
	want := &state{Revoked: map[curve.PublicKey]keystore.RevokedKey{one: early, two: late, three: early}, Lists: a.Lists}
	for _, got := range []*state{a.and(b), b.and(a), new(state).and(a).and(b)} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
	}
}

// TestFileIsLost: a lost state file is written again with everything the process knows,
// even revocations that no store has any longer.
func TestFileIsLost(t *testing.T) {
	t.Parallel()
	one, two := curve.GenerateKey().Public(), curve.GenerateKey().Public()
	m, err := openMemory(filepath.Join(t.TempDir(), "state"))
	ztest.Must(t, err)
	s := stores(t, 2)
	ztest.Must(t, s[0].Revoke(one, stateTime, ""), m.learn(s[:1], nil), os.Remove(m.path))
	ztest.Must(t, s[1].Revoke(two, stateTime, ""), m.learn(s[1:], nil))
	again, err := openMemory(m.path)
	ztest.Must(t, err)
	for _, key := range []curve.PublicKey{one, two} {
		if _, ok := again.revocation(key); !ok {
			t.Error("a key was forgotten with the file")
		}
	}
}
