package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// duration is a flag's value: a number followed by d, h or m.
type duration time.Duration

// errDuration means that a text is not a duration.
var errDuration = errors.New("must be a number followed by d, h or m, such as 90d")

// maxDuration keeps today plus a duration within the years that a certificate can
// hold.
const maxDuration = 200 * 365 * 24 * time.Hour

func (d *duration) Set(s string) error {
	if s == "" {
		return errDuration
	}
	unit := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute}[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if err != nil || unit == 0 || n == 0 {
		return errDuration
	}
	if n > uint64(maxDuration/unit) {
		return fmt.Errorf("must be at most %v", duration(maxDuration))
	}
	*d = duration(n) * duration(unit)
	return nil
}

// String formats the duration in the largest unit that divides it.
func (d duration) String() string {
	switch t := time.Duration(d); {
	case t == 0:
		return ""
	case t%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", t/(24*time.Hour))
	case t%time.Hour == 0:
		return fmt.Sprintf("%dh", t/time.Hour)
	default:
		return fmt.Sprintf("%dm", t/time.Minute)
	}
}

func (*duration) Type() string { return "DURATION" }
