package web

import (
	"fmt"
	"time"

	"github.com/zcurve/zcurve/zap"
)

// mark shows a state by a word, a sign and a color.
type mark struct{ Class, Sign, Word string }

// markOf is the mark of a decision.
func markOf(status int) mark {
	switch zap.Status(status) {
	case zap.StatusOK:
		return mark{"good", "✓", "admitted"}
	case zap.StatusRefused:
		return mark{"bad", "✕", "refused"}
	case zap.StatusTryLater:
		return mark{"soon", "↻", "try later"}
	}
	return mark{"fail", "!", "failed"}
}

// markUntil is the mark of what expires at a time: soon, if that is within some days.
func markUntil(now, expires time.Time, days int) mark {
	left := expires.Sub(now)
	switch {
	case left <= 0:
		return mark{"bad", "✕", "expired"}
	case left < time.Duration(days)*24*time.Hour:
		return mark{"soon", "!", "in " + length(left)}
	}
	return mark{"good", "✓", "in " + length(left)}
}

// length returns a duration in its two largest units, such as "3 h 12 min".
func length(d time.Duration) string {
	d = max(d, 0)
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		n := d / u.of
		if n == 0 && i < len(units)-1 {
			continue
		}
		text := fmt.Sprintf("%d %s", n, u.name)
		if i == len(units)-1 {
			return text
		}
		return fmt.Sprintf("%s %d %s", text, d%u.of/units[i+1].of, units[i+1].name)
	}
	return ""
}

// grouped returns a number with a thin space between each three digits.
func grouped[T int | uint64](n T) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}
