// Package kv is what package keystore needs of the file of a bolt: keystore. Package
// keystore/boltstore provides it, so that only programs that import that package link
// bbolt.
package kv

import "errors"

var (
	// ErrDamaged means that something other than package keystore changed a file.
	ErrDamaged = errors.New("damaged: restore a backup")
	// ErrInUse means that another process has been writing a keystore for too long.
	ErrInUse = errors.New("another process is writing it: try again later")
)

// A Tx is a transaction on a file with buckets of keys and values. It is for one
// goroutine at a time, and what it returns is valid until it ends.
type Tx interface {
	// Changes returns how often the file has been changed.
	Changes() int
	// Get returns a value, or nil if there is none.
	Get(bucket string, key []byte) []byte
	// ForEach calls f for each key of a bucket, until f returns an error.
	ForEach(bucket string, f func(key, value []byte) error) error
	Put(bucket string, key, value []byte) error
	Delete(bucket string, key []byte) error
}

// A Driver opens files. A file is open, and locked for other processes, only during a
// call.
type Driver interface {
	// Create creates an empty file.
	Create(path string) error
	// View runs f in a transaction that only reads.
	View(path string, f func(Tx) error) error
	// Update runs f in a transaction. If f returns an error, nothing changes.
	// Otherwise, all changes are on the disk when Update returns nil.
	Update(path string, f func(Tx) error) error
}

// Files is the driver of the program, set by the init function of package boltstore;
// nil if the program doesn't import it.
var Files Driver
