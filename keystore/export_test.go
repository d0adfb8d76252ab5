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
