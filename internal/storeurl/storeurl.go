// Package storeurl splits the URLs of keystores, for package keystore and for code that
// examines or names the file of a keystore.
package storeurl

import (
	"path/filepath"
	"strings"
)

// Kinds of keystores.
const (
	Dir    = "dir"
	Bolt   = "bolt"
	Memory = "mem"
	File   = "file"
	Env    = "env"
)

// Split splits a URL into the kind of keystore and the text after the colon. A path
// without a kind means a directory. It doesn't check whether the kind exists.
func Split(url string) (kind, rest string) {
	kind, rest, ok := strings.Cut(url, ":")
	if !ok || strings.ContainsAny(kind, `/\.`) || len(kind) < 2 { // C: is a drive
		return Dir, url
	}
	return kind, rest
}

// HasPath reports whether a path follows the colon.
func HasPath(kind string) bool { return kind == Dir || kind == Bolt || kind == File }

// Beside converts a URL with a path relative to a directory to one with a path relative to the
// working directory.
func Beside(dir, url string) string {
	kind, path := Split(url)
	if !HasPath(kind) || path == "" || filepath.IsAbs(path) {
		return url
	}
	moved := filepath.Join(dir, path)
	if url != path {
		return strings.TrimSuffix(url, path) + moved
	}
	if now, _ := Split(moved); now != kind || strings.HasPrefix(moved, kind+":") { // otherwise, it would read as another URL
		return kind + ":" + moved
	}
	return moved
}
