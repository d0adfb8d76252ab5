package policy_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
)

// world is a policy with its stores, and a model of both.
type world struct {
	t       testing.TB
	kind    string
	seed    uint64
	watched bool
	rand    *rand.Rand
	dir     string
	now     int64 // seconds since epoch, one for each step: the clock of revocations
	steps   []modelStep
	taken   map[string]int
	trace   []string

	clients     []client // clients that ask; the others have keys that damage produced
	asking      int
	acme, rogue *cert.Authority
	sound       map[string]*cert.Certificate // by their texts; nil for texts that aren't certificates
	serial      uint64

	p        *policy.Policy // nil while it is stopped
	watching func()         // ends Watch

	clientsSite, others *site
	usesOthers          bool

	remembered map[int]int64 // when a key was revoked that the policy must remember
	list       list          // the newest list
	listed     list          // everything the policy has seen on any list
	oldLists   []list
}

type client struct {
	name string
	key  curve.PublicKey
}

// list is a revocation list.
type list struct {
	text    string
	keys    map[int]bool
	serials map[uint64]bool
	expired bool
}

// answer is a decision about a key. The zero value is a refusal.
type answer struct {
	ok     bool
	userID string
	groups string // joined by commas
}

// epoch is when the clock of revocations starts, later than the times of files. past is
// when the clock of lists starts, so long ago that it never reaches the present.
var (
	epoch = past.Add(48 * time.Hour)
	past  = time.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second)
)

func (w *world) time() time.Time     { return epoch.Add(time.Duration(w.now) * time.Second) }
func (w *world) listTime() time.Time { return past.Add(time.Duration(w.now) * time.Second) }

func newWorld(t testing.TB, kind string, seed uint64, watched bool) *world {
	w := &world{t: t, kind: kind, seed: seed, watched: watched, rand: rand.New(rand.NewPCG(seed, 13)), dir: t.TempDir(),
		now: 1, taken: map[string]int{}, acme: cert.GenerateAuthority(""), rogue: cert.GenerateAuthority(""),
		sound: map[string]*cert.Certificate{}, remembered: map[int]int64{}, listed: list{keys: map[int]bool{}, serials: map[uint64]bool{}}}
	for _, name := range []string{"alice", "bob", "carol", "dave", "erin", "frank"} {
		data := sha256.Sum256([]byte(name))
		secret, err := curve.NewSecretKey(data[:])
		ztest.Must(t, err)
		w.clients = append(w.clients, client{name, secret.Public()})
	}
	w.asking = len(w.clients)
	w.note("")
	w.clientsSite = w.newSite(kind, "clients")
	if kind != "mem" {
		other := "dir"
		if kind == "dir" {
			other = "bolt"
		}
		w.others = w.newSite(other, "others")
		w.usesOthers = true
		w.newList(list{})
		w.writePolicy()
	}
	w.steps = stepsFor(kind)
	w.load()
	t.Cleanup(w.stop)
	return w
}

// used returns the stores of the policy, in order.
func (w *world) used() []*site {
	if w.usesOthers {
		return []*site{w.clientsSite, w.others}
	}
	return []*site{w.clientsSite}
}

func (w *world) policyFile() string { return filepath.Join(w.dir, "policy.zpl") }

func (w *world) writePolicy() {
	stores := ""
	for _, s := range w.used() {
		stores += "        keystore = " + s.url + "\n"
	}
	authority := fmt.Sprintf("        authority = %q\n", w.acme.Key)
	text := ""
	text += "security\n    domain = one\n    curve = 1\n        keystore = " + w.clientsSite.url + "\n"
	for _, d := range []struct{ name, more string }{
		{"open", "        any = 1\n"},
		{"all", ""},
		{"traders", "        group = traders\n"},
		{"signed", authority + "        revoked = acme.revoked\n"},
		{"signers", authority + "        group = traders\n"},
	} {
		text += "security\n    domain = " + d.name + "\n    curve = 1\n" + stores + d.more
	}
	ztest.WriteFile(w.t, w.policyFile(), text+"security\n    domain = off\n    curve = 0\n")
}

// domains returns the domains of the requests.
func (w *world) domains() []string {
	if w.kind == "mem" {
		return []string{"all"}
	}
	return []string{"one", "open", "all", "traders", "signed", "signers", "off", "nowhere", ""}
}

// load starts the policy.
func (w *world) load() {
	w.t.Helper()
	w.must(w.tryLoad())
}

func (w *world) tryLoad() error {
	for _, s := range []*site{w.clientsSite, w.others} {
		if s != nil {
			s.start()
		}
	}
	var err error
	if w.kind == "mem" {
		s := w.clientsSite
		s.admin, err = keystore.Open("mem:", nil)
		w.must(err)
		s.content = newContent()
		s.exported = s.content
		w.p, err = policy.Default(s.admin, policy.Options{State: filepath.Join(w.dir, "state")})
	} else {
		w.p, err = policy.Load(w.policyFile(), policy.Options{})
	}
	if err != nil {
		w.p = nil
		return err
	}
	if w.watched {
		w.watch()
	}
	return nil
}

// stop stops the policy.
func (w *world) stop() {
	if w.watching != nil {
		w.watching()
		w.watching = nil
	}
	if w.p != nil {
		w.must(w.p.Close())
		w.p = nil
	}
}

// learn updates the policy's knowledge after it has read everything.
func (w *world) learn() {
	maps.Copy(w.listed.keys, w.list.keys)
	maps.Copy(w.listed.serials, w.list.serials)
	for _, s := range w.used() {
		s.see()
	}
	for i := range w.clients {
		var lifted int64
		revoked := false
		for _, s := range w.used() {
			if m := s.live[i]; m > 0 {
				revoked = true
				w.remembered[i] = max(w.remembered[i], m)
			} else {
				lifted = max(lifted, -m)
			}
		}
		switch {
		case revoked: // a lifting in another store doesn't count, not even later
			w.remembered[i] = max(w.remembered[i], lifted)
		case lifted > w.remembered[i]:
			delete(w.remembered, i)
		}
	}
}

// want returns the expected decision about a key.
func (w *world) want(domain string, i int) answer {
	if domain == "off" || domain == "nowhere" || domain == "" || w.remembered[i] > 0 || w.listed.keys[i] {
		return answer{}
	}
	for _, s := range w.used() {
		if s.live[i] > 0 {
			return answer{}
		}
	}
	isSigned := domain == "signed" || domain == "signers"
	stores := w.used()
	if domain == "one" {
		stores = stores[:1]
	}
	var all []seat
	for n, s := range stores {
		seat, ok := s.seats()[i]
		if !ok {
			continue
		}
		certificate, expired := w.accepted(domain, seat.texts)
		if certificate == nil && len(all) == 0 && expired {
			return answer{} // nothing else admits it
		}
		if certificate == nil {
			continue
		}
		if isSigned {
			seat.groups = append(slices.Clone(seat.groups), policy.SplitGroups(certificate.Metadata.Get("group"))...)
		}
		for _, before := range w.used()[:n] {
			for j, other := range before.seats() {
				if j != i && other.name == seat.name {
					seat.userID = w.clients[i].key.String()
				}
			}
		}
		all = append(all, seat)
	}
	if len(all) == 0 {
		return answer{domain == "open", map[bool]string{true: w.clients[i].key.String()}[domain == "open"], ""}
	}
	var groups []string
	for _, seat := range all {
		groups = append(groups, seat.groups...)
	}
	slices.Sort(groups)
	groups = slices.Compact(groups)
	if (domain == "traders" || domain == "signers") && !slices.Contains(groups, "traders") {
		return answer{}
	}
	return answer{true, all[0].userID, strings.Join(groups, ",")}
}

// accepted returns the first certificate that a domain accepts. If there is none, expired
// reports whether the first one excludes all others.
func (w *world) accepted(domain string, texts []string) (c *cert.Certificate, expired bool) {
	for n, text := range texts {
		c := w.parse(text)
		ended := c.Validity.Check(time.Now()) != nil
		foreign := (domain == "signed" || domain == "signers") && c.Authority != w.acme.Key
		listed := domain == "signed" && c.Authority == w.acme.Key && (w.list.expired || w.listed.serials[c.Serial])
		if !ended && !foreign && !listed {
			return c, false
		}
		if n == 0 {
			expired = ended || !foreign && listed
		}
	}
	return nil, expired
}

// parse parses a certificate, if it is sound.
func (w *world) parse(text string) *cert.Certificate {
	if c, ok := w.sound[text]; ok {
		return c
	}
	c, err := cert.Parse([]byte(text))
	if err == nil {
		err = c.Check(time.Now())
		if errors.Is(err, cert.ErrExpired) {
			err = nil
		}
	}
	if err != nil {
		c = nil
	}
	w.sound[text] = c
	return c
}

// ownerOf returns the client whose key a certificate has, or -1.
func (w *world) ownerOf(text string) int {
	c := w.parse(text)
	if c == nil {
		return -1
	}
	for i, x := range w.clients {
		if x.key == c.Public {
			return i
		}
	}
	w.clients = append(w.clients, client{"stranger", c.Public})
	return len(w.clients) - 1
}

// certificate returns a certificate of a client. It claims more groups than the client has.
func (w *world) certificate(i int) string {
	claimed := w.clients[w.rand.IntN(w.asking)].name
	c := &cert.Certificate{Public: w.clients[i].key, Metadata: cert.Metadata{
		{Name: "name", Value: claimed}, {Name: "user-id", Value: claimed}, {Name: "group", Value: "traders, claimed"}}}
	switch n := w.rand.IntN(10); n {
	case 0: // expired, whether signed or not
		c.Validity.NotAfter = past
	case 1, 2, 3:
		c.Metadata.Set("group", "traders")
	case 4, 5:
		c.Metadata.Set("group", "guests, staff")
	}
	w.serial++
	c.Serial = w.serial
	switch w.rand.IntN(5) {
	case 0:
		w.must(w.rogue.Sign(c))
	case 1, 2, 3:
		w.must(w.acme.Sign(c))
	default:
		c.Serial = 0
	}
	text, err := c.AppendPublic(nil)
	w.must(err)
	return string(text)
}

// newList signs a list and makes the policy use it.
func (w *world) newList(l list) {
	signed := new(cert.RevocationList)
	for _, i := range slices.Sorted(maps.Keys(l.keys)) {
		_, err := signed.Revoke(cert.Revocation{Key: w.clients[i].key, Time: w.listTime(), Reason: "left"})
		w.must(err)
	}
	for _, serial := range slices.Sorted(maps.Keys(l.serials)) {
		_, err := signed.Revoke(cert.Revocation{Serial: serial, Time: w.listTime()})
		w.must(err)
	}
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	if l.expired {
		expires = w.listTime().Add(time.Second)
	}
	w.must(w.acme.SignRevocations(signed, w.listTime(), expires))
	text, err := signed.Append(nil)
	w.must(err)
	l.text = string(text)
	if w.list.text != "" {
		w.oldLists = append(w.oldLists, w.list)
	}
	w.list = l
	w.writeList(l.text)
}

func (w *world) writeList(text string) {
	ztest.WriteFile(w.t, filepath.Join(w.dir, "acme.revoked"), text)
}
