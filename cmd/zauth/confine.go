package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/zcurve/zcurve/internal/storeurl"
	"github.com/zcurve/zcurve/policy"
)

// rights say what zauth may do with the files below a directory, or with a file, after its
// start.
type rights int

const (
	mayRead     rights = iota // read files and list directories
	mayWrite                  // the same, and write, create, replace and remove files and directories
	mayReadFile               // read this file, which is not a directory
	mayAppend                 // the same, and write it
	mayUnlink                 // remove files
)

// access is a path that zauth uses after its start, and why.
type access struct {
	path   string
	rights rights
	why    string
}

// accesses lists the paths that the daemon uses after its start. A file is replaced by
// another one with its name, and so is a keystore. So the access is to the directory around
// it.
func (d *daemon) accesses() (all []access) {
	add := func(path string, r rights, why string) {
		for _, dir := range dirsAround(path) {
			all = append(all, access{dir, r, why})
		}
	}
	addState := func(url string) {
		if state := d.flags.statePath(url); state != "" && state != policy.StateNone {
			add(state, mayWrite, "it remembers revoked keys there")
		}
	}
	for _, p := range policiesOf(d.rules) {
		r := p.Report()
		if r.File != "" {
			add(r.File, mayRead, "the policy is reloaded when it changes")
			if d.flags.statePath("") == "" {
				add(r.File, mayWrite, "it remembers revoked keys next to the policy")
			}
			addState("")
		}
		for _, store := range r.Stores {
			url := store.URL
			if url == "" {
				url = p.url
				addState(url)
			}
			for _, path := range storePaths(url) {
				add(path, mayRead, "keystores are reloaded when they change")
			}
		}
		for _, list := range r.Lists {
			add(list.File, mayRead, "revocation lists are reloaded when they change")
		}
	}
	if d.flags.config != "" {
		add(d.flags.config, mayRead, "SIGHUP reads the configuration file again")
	}
	if d.flags.cert != "" {
		add(d.flags.cert, mayRead, "its own certificate is reloaded when it changes")
	}
	if path := d.flags.audit; path != "" && path != "-" {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			all = append(all, access{path, mayAppend, "SIGHUP reopens the audit log"})
		} else {
			add(path, mayWrite, "SIGHUP creates the audit log again after it was renamed")
		}
	}
	for _, path := range storePaths(d.flags.admitTo) {
		add(path, mayWrite, "zauth admit and zauth deny change this keystore")
	}
	if d.flags.http != "" {
		all = append(all, access{"/proc/self", mayRead, "the metrics describe the process"},
			access{"/proc/stat", mayReadFile, "the metrics say when it started"})
	}
	for _, at := range slices.Concat(d.flags.listen, d.doors) {
		if path := socketPath(at); path != "" {
			add(path, mayUnlink, "it removes its sockets when it ends")
		}
	}
	return all
}

// dirsAround returns the directory of a file or keystore and, if that is a link, the
// directory of its target.
func dirsAround(path string) []string {
	dirs := []string{filepath.Dir(path)}
	if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(target) != dirs[0] {
		dirs = append(dirs, filepath.Dir(target))
	}
	return dirs
}

// storePaths returns the path of a keystore, and the targets of the links in it.
func storePaths(url string) (paths []string) {
	kind, path := storeurl.Split(url)
	if !storeurl.HasPath(kind) || url == "" {
		return nil
	}
	paths = append(paths, filepath.Clean(path))
	if kind != storeurl.Dir {
		return paths
	}
	_ = filepath.WalkDir(path+"/", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type()&fs.ModeSymlink != 0 {
			if target, err := filepath.EvalSymlinks(name); err == nil {
				paths = append(paths, target)
			}
		}
		return nil
	})
	return paths
}

// sandbox knows what the kernel lets zauth do after its start.
type sandbox struct {
	allowed []access
	dirs    map[string]fs.FileInfo // the allowed directories, as they were when zauth started
}

// confine restricts the process to what it still uses, as far as the kernel can. It returns nil
// if the kernel cannot. Call it when all files and sockets are open.
func confine(all []access, log *slog.Logger) *sandbox {
	_, _ = time.Now().Zone() // loads the time zone, from files that are not allowed
	abi, err := restrict(all)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		log.Info("sandbox not used: the system has no Landlock, or does not allow it", "err", err)
		return nil
	case err != nil:
		log.Warn("sandbox not used", "err", err)
		return nil
	}
	log.Info("sandbox used: zauth can use only its own files", "landlock", abi)
	s := &sandbox{allowed: all, dirs: map[string]fs.FileInfo{}}
	for _, a := range all {
		if info, err := os.Stat(a.path); err == nil {
			s.dirs[a.path] = info
		}
	}
	return s
}

// explain says so if an error comes from the sandbox. It returns other errors as they are.
func (s *sandbox) explain(err error) error {
	cause, ok := errors.AsType[*fs.PathError](err)
	if s == nil || !ok || !errors.Is(cause, fs.ErrPermission) || s.allows(cause.Path) {
		return err
	}
	return fmt.Errorf("%w: the sandbox (Landlock) allows only the directories that zauth used when it started: restart zauth", err)
}

// allows reports whether a path is below a directory that is allowed. A directory that was
// replaced is another one.
func (s *sandbox) allows(path string) bool {
	return slices.ContainsFunc(s.allowed, func(a access) bool {
		rel, err := realRelative(a.path, path)
		if err != nil || !filepath.IsLocal(rel) {
			return false
		}
		info, err := os.Stat(a.path)
		return err == nil && s.dirs[a.path] != nil && os.SameFile(info, s.dirs[a.path])
	})
}

// realRelative returns a path relative to a directory, after following links.
func realRelative(dir, path string) (string, error) {
	var real [2]string
	for i, p := range []string{dir, path} {
		abs, err := filepath.Abs(p)
		if err != nil {
			return "", err
		}
		if real[i], err = filepath.EvalSymlinks(abs); err != nil {
			real[i] = abs
		}
	}
	return filepath.Rel(real[0], real[1])
}
