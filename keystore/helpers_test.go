package keystore_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/ztest"
	"github.com/zcurve/zcurve/keystore"
	_ "github.com/zcurve/zcurve/keystore/boltstore"
)

// text returns a new public certificate with this name, and its key. Names of the same
// length give texts of the same length.
func text(t testing.TB, name string) (string, curve.PublicKey) {
	t.Helper()
	c := cert.Generate(name)
	out, err := c.AppendPublic(nil)
	ztest.Must(t, err)
	return string(out), c.Public
}

func write(t testing.TB, dir, file, text string) {
	t.Helper()
	ztest.Must(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
}

// add writes a new certificate as NAME.key.
func add(t testing.TB, dir, name string) curve.PublicKey {
	t.Helper()
	text, key := text(t, name)
	write(t, dir, name+".key", text)
	return key
}

// open opens a store with a log.
func open(t testing.TB, url string) (keystore.Store, *ztest.Log) {
	t.Helper()
	log := new(ztest.Log)
	d, err := keystore.Open(url, log.Logger())
	ztest.Must(t, err)
	return d, log
}

func knows(d keystore.Store, key curve.PublicKey) bool {
	_, ok := d.Lookup(key)
	return ok
}

func inGroup(id *keystore.Identity, group string) bool { return slices.Contains(id.Groups, group) }
