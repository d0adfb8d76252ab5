package keystore_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/keystore"
)

// A certificate is put into the directory, and its owner is known.
func Example() {
	dir, err := os.MkdirTemp("", "clients")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	alice := cert.Generate("alice")
	text, err := alice.AppendPublic(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, "alice.key"), text, 0o644); err != nil {
		fmt.Println(err)
		return
	}

	store, err := keystore.Open("dir:"+dir, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, ok := store.Lookup(alice.Public)
	fmt.Println(id.Name, ok)
	// Output: alice true
}
