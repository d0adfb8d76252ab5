package keystore

import "time"

// DontPoll makes Watch rely on what the file system tells. It must be called before
// Watch.
func DontPoll(s Store) {
	switch s := s.(type) {
	case *dir:
		s.follower.Poll = time.Hour
	case *bolt:
		s.follower.Poll = time.Hour
	case *source:
		s.follower.Poll = time.Hour
	}
}

// PollOnly makes Watch rely on looking. It must be called before Watch.
func PollOnly(s Store) {
	switch s := s.(type) {
	case *dir:
		s.follower.Deaf = true
	case *bolt:
		s.follower.Deaf = true
	case *source:
		s.follower.Deaf = true
	}
}
