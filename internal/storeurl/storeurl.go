// Package storeurl splits the URLs of keystores, for package keystore and for code that
// examines the file of a keystore.
package storeurl

import "strings"

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
