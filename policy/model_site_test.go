package policy_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	_ "github.com/zcurve/zcurve/keystore/boltstore"
)

// site is a store and its model.
type site struct {
	w         *world
	kind      string
	url, path string
	admin     keystore.Store // without files that others write: only the operator's
	*content
	exported *content // for file: only, the content of the file
	backups  []backup

	live map[int]int64 // revocations as the running policy knows them: see content
	seen map[int]int64 // records that it has seen
	held map[int]bool  // keys in files whose name says that they are revoked
}

// content is the content of a store.
type content struct {
	records map[int]int64 // when a key was revoked; when that was lifted, negative
	ids     map[int]entry // not for a directory, where the files tell
	graves  map[int]entry // identities that return if the revocation is lifted
}

type entry struct {
	name   string
	groups []string
	text   string
}

// seat is an identity of a client in a store.
type seat struct {
	name, userID string
	groups       []string
	texts        []string // certificates, in order of preference
}

// backup is a copy of a store: its files and its model.
type backup struct {
	files map[string]string
	times map[string]time.Time // of files, which keep them
	*content
}

func newContent() *content {
	return &content{map[int]int64{}, map[int]entry{}, map[int]entry{}}
}

func (c *content) clone() *content {
	return &content{maps.Clone(c.records), maps.Clone(c.ids), maps.Clone(c.graves)}
}

func (w *world) newSite(kind, name string) *site {
	s := &site{w: w, kind: kind, url: kind + ":" + name, path: filepath.Join(w.dir, name), content: newContent()}
	s.exported = s.content
	switch kind {
	case "dir", "bolt":
		w.must(keystore.Create(kind + ":" + s.path))
	case "file":
		var err error
		s.admin, err = keystore.Open("mem:", nil)
		w.must(err)
		s.export()
	}
	return s
}

// start discards what the stopped policy knew.
func (s *site) start() { s.live, s.seen, s.held = map[int]int64{}, map[int]int64{}, map[int]bool{} }

// see models how a policy reads the store: a revocation applies until a new record lifts
// it. A missing record lifts nothing.
func (s *site) see() {
	for i, at := range s.exported.records {
		if at != 0 && at != s.seen[i] {
			s.seen[i] = at
			if at > 0 || !s.held[i] {
				s.live[i] = at
			}
		}
	}
	if s.kind != "dir" {
		return
	}
	s.held = map[int]bool{}
	for name, text := range s.files() {
		if owner := s.w.ownerOf(text); owner >= 0 && strings.HasSuffix(name, ".revoked") {
			s.held[owner] = true
			if s.live[owner] <= 0 {
				info, err := os.Stat(filepath.Join(s.path, name))
				s.w.must(err)
				s.live[owner] = int64(info.ModTime().Sub(epoch) / time.Second)
			}
		}
	}
}

// files returns the files in a directory that are read, with their content.
func (s *site) files() map[string]string {
	return readFiles(s.w.t, s.path, func(name string) bool {
		return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") && !strings.HasSuffix(name, ".bak")
	})
}

// readFiles reads the files with these names in a directory, or one file.
func readFiles(t testing.TB, path string, want func(name string) bool) map[string]string {
	t.Helper()
	files := map[string]string{}
	ztest.Must(t, filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(path, file)
		switch {
		case err != nil:
			return err
		case name != "." && !want(e.Name()) && e.IsDir():
			return fs.SkipDir
		case e.IsDir() || name != "." && !want(e.Name()):
			return nil
		}
		text, err := os.ReadFile(file)
		files[name] = string(text)
		return err
	}))
	return files
}

// seats returns the identities that the running policy finds in this store.
func (s *site) seats() map[int]seat {
	all := map[int]seat{}
	if s.kind != "dir" {
		for i, e := range s.exported.ids {
			if s.live[i] <= 0 {
				all[i] = seat{e.name, e.name, e.groups, []string{e.text}}
			}
		}
		return all
	}
	files := s.files()
	places := map[int][]string{}
	for name, text := range files {
		if owner := s.w.ownerOf(text); owner >= 0 && s.live[owner] <= 0 && !s.isBlocked(files, name) {
			places[owner] = append(places[owner], name)
		}
	}
	type rank struct {
		name  string
		depth int
	}
	holders := map[rank]int{} // number of keys with a name at a depth
	first := map[int]rank{}
	for owner, names := range places {
		slices.SortFunc(names, func(a, b string) int {
			if d := strings.Count(a, "/") - strings.Count(b, "/"); d != 0 {
				return d
			}
			return strings.Compare(a, b)
		})
		r := rank{nameOf(names[0]), strings.Count(names[0], "/")}
		first[owner] = r
		holders[r]++
	}
	for owner, names := range places {
		r := first[owner]
		one := seat{name: r.name, userID: r.name, texts: []string{files[names[0]]}}
		unique := holders[r] == 1
		for d := range r.depth {
			unique = unique && holders[rank{r.name, d}] == 0
		}
		slices.Sort(names[1:])
		for _, name := range names {
			unique = unique && (strings.Count(name, "/") > r.depth || nameOf(name) == r.name)
			for at, c := range name {
				if c == '/' {
					one.groups = append(one.groups, name[:at])
				}
			}
			one.texts = append(one.texts, files[name])
		}
		if !unique {
			one.userID = s.w.clients[owner].key.String()
		}
		all[owner] = one
	}
	return all
}

func nameOf(file string) string { return strings.TrimSuffix(filepath.Base(file), ".key") }

// isBlocked reports whether a file is ignored because it is the record of a revocation,
// or has a record that can't be read.
func (s *site) isBlocked(files map[string]string, name string) bool {
	if strings.HasSuffix(name, ".revoked") {
		return true
	}
	for _, by := range []string{name + ".revoked", strings.TrimSuffix(name, ".key") + ".revoked"} {
		if text, ok := files[by]; ok && s.w.parse(text) == nil {
			return true
		}
	}
	return false
}
