// Package keystore is where the identities live that a service knows: the
// public certificates of its clients (package cert). Put a file there and its
// owner is known; take it away and he isn't.
//
// A store is chosen by URL. dir:PATH, or a path alone, is a directory of
// certificate files:
//
//	store, err := keystore.Open("dir:clients", log)
//	…
//	go store.Watch(ctx) // follows changes
//	id, ok := store.Lookup(key)
//
// Looking up takes no lock and allocates nothing: it reads a snapshot, which a
// change replaces as a whole.
package keystore
