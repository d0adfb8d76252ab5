// Package boltstore lets package keystore open keystores of the kind bolt:, each one
// file, for large sets of identities. Import it for its effect:
//
//	import _ "github.com/zcurve/zcurve/keystore/boltstore"
//
//	store, err := keystore.Open("bolt:clients.db", log)
//
// It is a separate package so that only programs that import it link go.etcd.io/bbolt.
package boltstore
