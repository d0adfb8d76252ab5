// Package kv defines how package keystore accesses the file of a bolt: keystore. Package
// keystore/boltstore implements it, so that only programs that import that package link
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
// goroutine at a time, and its results are valid until it ends.
type Tx interface {
	// Changes returns how often the file has been changed.
	Changes() int
	// Get returns the value of a key, or nil if the key does not exist.
	Get(bucket string, key []byte) []byte
	// ForEach calls f for each key of a bucket, until f returns an error.
	ForEach(bucket string, f func(key, value []byte) error) error
	Put(bucket string, key, value []byte) error
	Delete(bucket string, key []byte) error
}

// A Driver opens files. A file is open, and locked against other processes, only during a
// call.
type Driver interface {
	// Create creates an empty file.
	Create(path string) error
	// View runs f in a read-only transaction.
	View(path string, f func(Tx) error) error
	// Update runs f in a transaction. If f returns an error, nothing changes.
	// Otherwise, all changes are on the disk when Update returns nil.
	Update(path string, f func(Tx) error) error
}

// Files is the program's driver. The init function of package boltstore sets it; it is
// nil if the program doesn't import that package.
var Files Driver
