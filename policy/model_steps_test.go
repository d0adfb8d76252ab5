package policy_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	"github.com/zcurve/zcurve/policy"
)

// modelStep is one kind of change.
type modelStep struct {
	name string
	do   func(*world)
}

// stepsFor returns the steps for one kind of store. A step that is listed twice is taken
// twice as often.
func stepsFor(kind string) []modelStep {
	put := modelStep{"put", (*world).put}
	revoke := modelStep{"revoke", (*world).revoke}
	unrevoke := modelStep{"unrevoke", (*world).unrevoke}
	steps := []modelStep{put, put, put, revoke, unrevoke, {"remove", (*world).remove}, {"restart", (*world).restart}}
	if kind == "mem" {
		return steps
	}
	steps = append(steps,
		modelStep{"back up", (*world).backUp}, modelStep{"restore", (*world).restore},
		modelStep{"stop", (*world).stopOrStart},
		modelStep{"new list", (*world).changeList}, modelStep{"old list", (*world).oldList},
		modelStep{"another policy", (*world).changePolicy},
		// In the directory, which exists next to other kinds of stores, too.
		modelStep{"copy", (*world).copyFile}, modelStep{"copy", (*world).copyFile},
		modelStep{"rename", (*world).renameFile}, modelStep{"rename", (*world).renameFile},
		modelStep{"delete", (*world).deleteFile},
		modelStep{"tamper", (*world).tamper},
		modelStep{"damage a record", (*world).damageRecord}, modelStep{"delete a record", (*world).deleteRecord},
		modelStep{"damage", (*world).damage})
	if kind == "dir" { // and bolt: next to it
		steps = append(steps, modelStep{"kill", (*world).kill})
	}
	return steps
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (w *world) site() *site {
	if w.others == nil || w.rand.IntN(3) > 0 {
		return w.clientsSite
	}
	return w.others
}

// directory returns the store of kind dir.
func (w *world) directory() *site {
	if w.kind == "dir" {
		return w.clientsSite
	}
	return w.others
}

// change changes a store from outside the policy, as another process would.
func (s *site) change(f func(keystore.Store) error) error {
	if s.admin != nil {
		return f(s.admin)
	}
	store, err := keystore.Open(s.kind+":"+s.path, nil)
	if err != nil {
		return err
	}
	defer store.Close()
	return f(store)
}

// export writes the file for a store of kind file.
func (s *site) export() {
	s.w.note("export")
	var out bytes.Buffer
	s.w.must(keystore.Export(&out, slices.Collect(s.admin.All()), maps.Collect(s.admin.Revocations())))
	ztest.WriteFile(s.w.t, s.path, out.String())
	s.exported = s.clone()
}

var modelGroups = []string{"traders", "guests", "guests/night"}

func (w *world) put() {
	s, i := w.site(), w.rand.IntN(w.asking)
	name := w.clients[i].name
	if w.rand.IntN(5) == 0 {
		name = pick(w.rand, w.clients[:w.asking]).name
	}
	var groups []string
	for _, g := range modelGroups {
		if w.rand.IntN(4) == 0 {
			groups = append(groups, g)
		}
	}
	text := w.certificate(i)
	c, err := cert.Parse([]byte(text))
	w.must(err)
	tampered := c.Authority != (cert.AuthorityKey{}) && w.rand.IntN(5) == 0
	if tampered {
		c.Metadata.Set("group", "admins")
	}
	before := s.keeping(i)
	err = s.change(func(store keystore.Store) error {
		return store.Put(&keystore.Identity{Name: name, Certificate: c, Groups: groups})
	})
	w.note("put %s as %s in %v into %s (tampered: %v): %v", w.clients[i].name, name, groups, s.url, tampered, err)
	taken := false
	for j, e := range s.ids {
		taken = taken || j != i && e.name == name && s.records[j] <= 0
	}
	switch revoked := s.records[i] > 0; {
	case err == nil && (tampered || revoked):
		w.fail("it was added")
	case s.kind != "dir" && (err != nil) != (tampered || revoked || taken):
		w.fail("put: %v, revoked: %v, taken: %v", err, revoked, taken)
	case s.kind == "dir" && err == nil:
		var want []string
		for _, g := range groups {
			if g != "guests" || !slices.Contains(groups, "guests/night") {
				want = append(want, g+"/"+name+".key")
			}
		}
		if len(groups) == 0 {
			want = []string{name + ".key"}
		}
		if got := s.keeping(i); !slices.Equal(got, want) {
			w.fail("it is in %q, want %q", got, want)
		}
	case s.kind == "dir":
		if after := s.keeping(i); !slices.Equal(after, before) {
			w.fail("it was in %q, and is now in %q", before, after)
		}
	case err == nil:
		s.ids[i] = entry{name, groups, text}
	}
	if err == nil {
		w.taken["added despite that"]++
	}
	s.exportSometimes()
}

// keeping returns the files of a directory that have a key and are not records of a
// revocation. Files from a put are in the order of modelGroups.
func (s *site) keeping(i int) (names []string) {
	if s.kind != "dir" {
		return nil
	}
	for name, text := range s.files() {
		if s.w.ownerOf(text) == i && !strings.HasSuffix(name, ".revoked") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		at := func(name string) int { return slices.Index(modelGroups, filepath.Dir(name)) }
		if at(a) != at(b) {
			return at(a) - at(b)
		}
		return strings.Compare(a, b)
	})
	return names
}

func (w *world) remove() {
	s, i := w.site(), w.rand.IntN(w.asking)
	_, known := s.ids[i]
	known = known && s.records[i] <= 0
	err := s.change(func(store keystore.Store) error { return store.Remove(w.clients[i].key) })
	w.note("remove %s from %s: %v", w.clients[i].name, s.url, err)
	if s.kind != "dir" && known != (err == nil) && !(err == nil && s.kind == "bolt") || err == nil && len(s.keeping(i)) > 0 {
		w.fail("removed: %v, known: %v, still in %q", err, known, s.keeping(i))
	}
	if err == nil {
		delete(s.ids, i)
	}
	s.exportSometimes()
}

func (w *world) revoke() {
	s, i := w.site(), w.rand.IntN(w.asking)
	if err := s.change(func(store keystore.Store) error { return store.Revoke(w.clients[i].key, w.time(), "lost") }); err != nil {
		w.fail("revoking: %v", err)
	}
	w.note("revoke %s in %s", w.clients[i].name, s.url)
	if s.records[i] <= 0 {
		s.bury(i)
		s.records[i] = w.now
	}
	if names := s.keeping(i); len(names) > 0 {
		w.fail("its certificate is still in %q", names)
	}
	s.exportRevocations()
}

// exportSometimes writes the file of the store, or leaves this to a later step.
func (s *site) exportSometimes() {
	if s.w.rand.IntN(4) > 0 {
		s.exportRevocations()
	}
}

// exportRevocations writes the revocations of a store of kind file to its file.
func (s *site) exportRevocations() {
	if s.kind == "file" {
		s.export()
	}
}

// bury removes an identity until its revocation is lifted.
func (s *site) bury(i int) {
	delete(s.graves, i)
	if e, ok := s.ids[i]; ok {
		s.graves[i] = e
	}
	delete(s.ids, i)
}

func (w *world) unrevoke() {
	s, i := w.site(), w.rand.IntN(w.asking)
	err := s.change(func(store keystore.Store) error { return store.Unrevoke(w.clients[i].key, w.time(), "found") })
	w.note("unrevoke %s in %s: %v", w.clients[i].name, s.url, err)
	byName := false
	if s.kind == "dir" {
		for name, text := range s.files() {
			byName = byName || w.ownerOf(text) == i && strings.HasSuffix(name, ".revoked")
		}
	}
	if (err != nil) != byName {
		w.fail("by the name of a file: %v", byName)
	}
	if err == nil {
		s.lift(i)
		s.exportRevocations()
	}
}

// lift restores a buried identity, if its name is free.
func (s *site) lift(i int) {
	grave, ok := s.graves[i]
	for j, e := range s.ids {
		ok = ok && (j == i || e.name != grave.name || s.records[j] > 0)
	}
	if ok && s.records[i] > 0 {
		s.ids[i] = grave
	}
	s.records[i] = -s.w.now
}

func (w *world) restart() {
	if w.p == nil {
		return
	}
	w.note("restart")
	w.stop()
	w.load()
}

// stopOrStart stops the policy, or starts it again.
func (w *world) stopOrStart() {
	if w.p != nil {
		w.note("stop")
		w.stop()
		return
	}
	w.note("start")
	w.load()
}

// watch starts the policy's Watch.
func (w *world) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	p := w.p
	go func() { done <- p.Watch(ctx) }()
	w.watching = func() {
		cancel()
		w.must(ztest.Receive(w.t, "the end of Watch", done))
	}
}

func (w *world) changePolicy() {
	w.usesOthers = !w.usesOthers
	w.note("uses the other store: %v", w.usesOthers)
	w.others.start()
	w.writePolicy()
}

func (w *world) changeList() {
	next := list{keys: maps.Clone(w.list.keys), serials: maps.Clone(w.list.serials)}
	if next.keys == nil {
		next.keys, next.serials = map[int]bool{}, map[uint64]bool{}
	}
	i := w.rand.IntN(w.asking)
	switch w.rand.IntN(7) {
	case 0, 1:
		next.keys[i] = true
	case 2, 3:
		delete(next.keys, i)
	case 4:
		next.serials[uint64(w.rand.Int64N(int64(w.serial)+1))+1] = true
	case 5:
		next.expired = true
	}
	w.note("a list with %v, %v, expired: %v", next.keys, next.serials, next.expired)
	w.newList(next)
}

// oldList replaces the newest list with an older or damaged one, and tries to make the
// policy use it.
func (w *world) oldList() {
	text, want := "", error(nil)
	if len(w.oldLists) > 0 && w.rand.IntN(3) > 0 {
		text, want = pick(w.rand, w.oldLists).text, policy.ErrOldList
	} else {
		text = strings.Replace(w.list.text, "expires = \"2", "expires = \"3", 1)
	}
	w.note("an old list, %v", want)
	wasStopped := w.p == nil
	if !wasStopped {
		w.follow() // the policy has seen the newest
	}
	restarts := wasStopped || w.rand.IntN(2) == 0
	if wasStopped && errors.Is(want, policy.ErrOldList) {
		return // the policy may not have seen a newer one
	}
	w.writeList(text)
	var err error
	if restarts {
		w.stop()
		err = w.tryLoad()
	} else {
		err = w.p.Reload()
		w.compare()
	}
	if want == nil && (err == nil || !strings.Contains(err.Error(), "wrong signature")) || want != nil && !errors.Is(err, want) {
		w.fail("got %v, want %v", err, want)
	}
	w.writeList(w.list.text)
	if restarts && !wasStopped {
		w.load()
	}
}
