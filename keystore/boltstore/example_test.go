package boltstore_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/keystore"
	_ "github.com/zcurve/zcurve/keystore/boltstore"
)

// With this import, package keystore creates and opens bolt: keystores.
func Example() {
	dir, err := os.MkdirTemp("", "clients")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	url := "bolt:" + filepath.Join(dir, "clients.db")
	if err := keystore.Create(url); err != nil {
		panic(err)
	}
	store, err := keystore.Open(url, nil)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	if err := store.Put(&keystore.Identity{Name: "alice", Certificate: cert.Generate("alice")}); err != nil {
		panic(err)
	}
	fmt.Println(store.Len())
	// Output: 1
}
