package keystore

import (
	"time"

	"github.com/zcurve/zcurve/internal/follow"
	"github.com/zcurve/zcurve/keystore/internal/kv"
)

// Errors that only tests distinguish.
var (
	ErrURL     = errURL
	ErrName    = errName
	ErrGroup   = errGroup
	ErrReason  = errReason
	ErrDamaged = kv.ErrDamaged
)

// DontPoll makes Watch rely on the events of the file system. Call it before Watch.
func DontPoll(s Store) { followerOf(s).Poll = time.Hour }

// PollOnly makes Watch rely on polling. Call it before Watch.
func PollOnly(s Store) { followerOf(s).Deaf = true }

// AtOnce applies the event of a path in a store of kind dir: at once, if it can. looks is
// whether the event causes a look otherwise, and reads whether that reads the whole store.
func AtOnce(s Store, path string) (applied, looks, reads bool) {
	d := s.(*dir)
	applied = d.applyAtOnce(path)
	name, matters := d.nameOf(path)
	return applied, !applied && (name != "" || matters), !applied && name == "" && matters
}

func followerOf(s Store) *follow.Follower {
	switch s := s.(type) {
	case *dir:
		return &s.follower
	case *bolt:
		return &s.follower
	case *source:
		return &s.follower
	}
	return new(follow.Follower)
}
