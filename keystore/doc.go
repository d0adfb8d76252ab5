// Package keystore is where the identities live that a service knows: the
// public certificates of its clients (package cert), with their groups and
// whether they were revoked.
//
// A store is chosen by URL:
//
//	dir:PATH    a directory of certificate files: put a file there and its owner
//	            is known, take it away and he isn't. A path alone means the same.
//	bolt:FILE   one file, for large sets (go.etcd.io/bbolt)
//	mem:        nothing but memory
//	file:FILE   the armored certificates in one file, to be read only
//	env:NAME    the armored certificates in an environment variable, the same
//
// Each of them is a [Store]:
//
//	store, err := keystore.Open("dir:clients", log)
//	…
//	go store.Watch(ctx) // follows changes
//	id, ok := store.Lookup(key)
//
// Looking up takes no lock and allocates nothing, in every kind.
package keystore
