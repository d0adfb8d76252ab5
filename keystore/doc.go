// Package keystore holds the identities that a service knows: the public certificates
// of its clients, with their names and groups, and the keys that are revoked. [Open]
// opens a keystore by its URL:
//
//	dir:PATH    a directory of certificate files, one for each identity; a path
//	            without a kind means the same
//	bolt:FILE   one file, for large sets; import keystore/boltstore to include this kind
//	mem:        memory only
//	file:FILE   the identities in an export, or armored certificates; read-only
//	env:NAME    the same in an environment variable; read-only
//
// A program that admits clients watches its keystore for changes and looks up keys:
//
//	store, err := keystore.Open("dir:clients", log)
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//	go store.Watch(ctx)
//	id, ok := store.Lookup(key)
//
// In every kind of keystore, Lookup takes no lock and allocates nothing.
//
// A program that keeps its clients elsewhere, in a database for example, implements
// [Reader] instead.
package keystore
