package keystore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/zcurve/zcurve/cert"
	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/keystore"
)

// To admit a client, copy its public certificate into the directory.
func Example() {
	dir, err := os.MkdirTemp("", "clients")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	alice := cert.Generate("alice")
	if err := alice.SavePublic(dir + "/alice.key"); err != nil {
		panic(err)
	}

	store, err := keystore.Open("dir:"+dir, nil)
	if err != nil {
		panic(err)
	}
	defer store.Close()
	id, ok := store.Lookup(alice.Public)
	fmt.Println(id.Name, ok)
	// Output: alice true
}

// A revoked key is refused until Unrevoke, even if its certificate is added again.
func ExampleStore_Revoke() {
	store := keystore.NewMemory()
	alice := &keystore.Identity{Name: "alice", Certificate: cert.Generate("alice"), Groups: []string{"traders"}}
	if err := store.Put(alice); err != nil {
		panic(err)
	}

	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	if err := store.Revoke(alice.Key(), at, "laptop stolen"); err != nil {
		panic(err)
	}
	_, ok := store.Lookup(alice.Key())
	fmt.Println(ok)
	fmt.Println(store.Revocation(alice.Key()))
	fmt.Println(errors.Is(store.Put(alice), keystore.ErrRevoked))
	// Output:
	// false
	// revoked on 2026-11-28T09:00:00Z: laptop stolen true
	// true
}

// A service watches its keystore for as long as it runs.
func ExampleStore_Watch() {
	store, err := keystore.Open("dir:clients", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go store.Watch(ctx)
	// …
}

// database holds clients that a program keeps elsewhere.
type database map[curve.PublicKey]*keystore.Identity

func (db database) Lookup(key curve.PublicKey) (*keystore.Identity, bool) {
	id, ok := db[key]
	return id, ok
}

// Clients in a database of the program.
func ExampleReader() {
	alice := cert.Generate("alice")
	var clients keystore.Reader = database{
		alice.Public: {Name: "alice", UserID: "alice", Certificate: &cert.Certificate{Public: alice.Public}, Groups: []string{"traders"}},
	}
	id, ok := clients.Lookup(alice.Public)
	fmt.Println(id.Name, id.Groups, ok)
	// Output: alice [traders] true
}
