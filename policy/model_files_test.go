package policy_test

import (
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zcurve/zcurve/internal/ztest"
)

func (w *world) backUp() {
	s := w.site()
	w.note("back up %s", s.url)
	s.exportRevocations()
	s.backups = append(s.backups, s.copy())
}

// copy returns a backup of the site.
func (s *site) copy() backup {
	b := backup{readFiles(s.w.t, s.path, func(name string) bool { return name != ".lock" }), map[string]time.Time{}, s.exported.clone()}
	for name := range b.files {
		info, err := os.Stat(filepath.Join(s.path, name))
		s.w.must(err)
		b.times[name] = info.ModTime()
	}
	return b
}

// restore restores a backup, either over the existing files or in place of them.
func (w *world) restore() {
	s := w.site()
	if len(s.backups) == 0 {
		return
	}
	n := w.rand.IntN(len(s.backups))
	over := s.kind == "dir" && w.rand.IntN(2) == 0
	w.note("restore backup %d of %s, over existing files: %v", n, s.url, over)
	s.put(s.backups[n], over)
}

func (s *site) put(b backup, over bool) {
	w := s.w
	if s.kind != "dir" {
		ztest.WriteFile(w.t, s.path, b.files["."])
		s.exported = b.content.clone()
		if s.kind == "bolt" {
			s.content = s.exported
		}
		return
	}
	target := s.path
	if !over {
		target += ".new"
		w.must(os.Mkdir(target, 0o755))
	}
	for name, text := range b.files {
		file := filepath.Join(target, name)
		w.must(os.MkdirAll(filepath.Dir(file), 0o755))
		w.must(os.WriteFile(file, []byte(text), 0o644))
		w.must(os.Chtimes(file, b.times[name], b.times[name]))
	}
	if over {
		maps.Copy(s.records, b.records)
		return
	}
	w.must(os.Rename(s.path, s.path+".old"))
	w.must(os.Rename(target, s.path))
	w.must(os.RemoveAll(s.path + ".old"))
	s.records = maps.Clone(b.records)
}

// anyFile returns one of the files in the directory, or "".
func (w *world) anyFile() (name, text string) {
	files := w.directory().files()
	if len(files) == 0 {
		return "", ""
	}
	name = pick(w.rand, slices.Sorted(maps.Keys(files)))
	return name, files[name]
}

// newPlace returns a path to which a file may be copied or moved.
func (w *world) newPlace(name string) string {
	base := strings.TrimSuffix(filepath.Base(name), ".key")
	if w.rand.IntN(2) == 0 {
		base = pick(w.rand, w.clients[:w.asking]).name
	}
	place := filepath.Join(pick(w.rand, append([]string{"", ""}, modelGroups...)), base+pick(w.rand, []string{".key", ".key", ".key", ".key", "", ".key~", ".bak"}))
	w.must(os.MkdirAll(filepath.Join(w.directory().path, filepath.Dir(place)), 0o755))
	return place
}

func (w *world) copyFile() {
	name, text := w.anyFile()
	if name == "" {
		return
	}
	to := w.newPlace(name)
	w.note("copy %s to %s", name, to)
	w.write(to, text)
}

// write writes a file to the directory.
func (w *world) write(name, text string) {
	path := filepath.Join(w.directory().path, name)
	w.must(os.WriteFile(path, []byte(text), 0o644))
	w.must(os.Chtimes(path, w.time(), w.time())) // the time of a file whose name says that it is revoked
}

func (w *world) renameFile() {
	name, _ := w.anyFile()
	if name == "" {
		return
	}
	to := w.newPlace(name)
	switch {
	case strings.HasSuffix(name, ".revoked") && w.rand.IntN(2) == 0:
		to = strings.TrimSuffix(name, ".revoked")
	case !strings.HasSuffix(name, ".revoked") && w.rand.IntN(4) == 0:
		to = name + ".revoked"
	}
	w.note("rename %s to %s", name, to)
	from := filepath.Join(w.directory().path, name)
	w.must(os.Chtimes(from, w.time(), w.time()))
	w.must(os.Rename(from, filepath.Join(w.directory().path, to)))
}

func (w *world) deleteFile() {
	if name, _ := w.anyFile(); name != "" {
		w.note("delete %s", name)
		w.must(os.Remove(filepath.Join(w.directory().path, name)))
	}
}

// tamper changes a certificate: it is cut short, or has a changed byte or another group.
func (w *world) tamper() {
	name, text := w.anyFile()
	if name == "" {
		return
	}
	now := w.harm(text)
	if w.rand.IntN(2) == 0 {
		now = strings.Replace(text, `group = "`, `group = "admins, `, 1)
	}
	w.note("tamper with %s", name)
	w.write(name, now)
}

// harm cuts a text short or changes bytes of it.
func (w *world) harm(text string) string {
	if len(text) == 0 {
		return text
	}
	if w.rand.IntN(3) == 0 {
		return text[:w.rand.IntN(len(text))]
	}
	data := []byte(text)
	for range 1 + w.rand.IntN(4) {
		data[w.rand.IntN(len(data))] ^= byte(1 << w.rand.IntN(8))
	}
	return string(data)
}

func (s *site) record(i int) string {
	return filepath.Join(s.path, ".revoked", hex.EncodeToString(s.w.clients[i].key[:]))
}

// anyRecord returns the record of a revocation in the directory, lifted or not.
func (w *world) anyRecord() (i int, ok bool) {
	s := w.directory()
	var there []int
	for i := range w.clients[:w.asking] {
		if _, err := os.Stat(s.record(i)); err == nil {
			there = append(there, i)
		}
	}
	if len(there) == 0 {
		return 0, false
	}
	return pick(w.rand, there), true
}

// damageRecord damages the record of a revocation. A lifted revocation then applies
// again, because the record no longer shows the lifting.
func (w *world) damageRecord() {
	i, ok := w.anyRecord()
	if !ok {
		return
	}
	s := w.directory()
	w.note("damage the record of %s", w.clients[i].name)
	text, err := os.ReadFile(s.record(i))
	w.must(err)
	damaged, at := "revoked\n    nothing\n", w.time()
	if s.records[i] > 0 {
		// Keep its time, which is the only field that doesn't depend on the key.
		head, tail, _ := strings.Cut(string(text), "    time = ")
		damaged, at = w.harm(head)+"    time = "+tail, epoch.Add(time.Duration(s.records[i])*time.Second)
		if w.rand.IntN(2) == 0 {
			damaged = ""
		}
	} else {
		s.records[i] = w.now
	}
	w.must(os.WriteFile(s.record(i), []byte(damaged), 0o644))
	w.must(os.Chtimes(s.record(i), at, at))
}

func (w *world) deleteRecord() {
	i, ok := w.anyRecord()
	if !ok {
		return
	}
	w.note("delete the record of %s", w.clients[i].name)
	w.must(os.Remove(w.directory().record(i)))
	delete(w.directory().records, i)
}

// damage changes bytes of a store's file, and then restores it. Meanwhile, no client is
// admitted that was not admitted before. A policy that starts returns an error, or at
// least refuses all revoked keys.
func (w *world) damage() {
	s := w.clientsSite
	if s.kind == "dir" {
		s = w.others
	}
	if s.kind == "dir" || w.p == nil || !slices.Contains(w.used(), s) {
		return
	}
	w.follow()
	w.note("damage %s", s.url)
	good := s.copy()
	ztest.WriteFile(w.t, s.path, w.harm(good.files["."]))
	if w.rand.IntN(2) == 0 {
		w.note("(reload: %v)", w.p.Reload())
	} else {
		w.stop()
		w.note("(restart: %v)", w.tryLoad())
	}
	if w.p != nil {
		for _, domain := range w.domains() {
			for i := range w.clients[:w.asking] {
				if (w.remembered[i] > 0 || w.listed.keys[i] || domain == "nowhere" || domain == "off") && w.admitted(domain, i) {
					w.fail("%s is admitted in domain %s", w.clients[i].name, domain)
				}
			}
		}
	}
	s.put(good, false)
	w.stop()
	w.load()
}
