package cert

import (
	"fmt"
	"time"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

// timeLayout is RFC 3339 in UTC and whole seconds: one text for each time.
const timeLayout = "2006-01-02T15:04:05Z"

// Validity is a period in whole seconds, from NotBefore until just before NotAfter. A
// zero time means no limit.
type Validity struct {
	NotBefore, NotAfter time.Time
}

// Check returns ErrNotYetValid or ErrExpired if now is outside the period.
func (v Validity) Check(now time.Time) error { return named(v.check(now)) }

func (v Validity) check(now time.Time) error {
	if now.Before(v.NotBefore) {
		return fmt.Errorf("%w: valid from %s", ErrNotYetValid, formatTime(v.NotBefore))
	}
	if !v.NotAfter.IsZero() && !now.Before(v.NotAfter) {
		return fmt.Errorf("%w on %s", ErrExpired, formatTime(v.NotAfter))
	}
	return nil
}

// checkTimes returns an error for times that cannot be written.
func (v Validity) checkTimes() error {
	for _, t := range []time.Time{v.NotBefore, v.NotAfter} {
		if err := checkTime(t); err != nil {
			return err
		}
	}
	if !v.NotBefore.IsZero() && !v.NotAfter.IsZero() && !v.NotBefore.Before(v.NotAfter) {
		return fmt.Errorf("%w: validity: not-after is not later than not-before", form.ErrProperty)
	}
	return nil
}

// node returns the section validity, or nil.
func (v Validity) node() *zpl.Node {
	if v.NotBefore.IsZero() && v.NotAfter.IsZero() { // in whatever time zone
		return nil
	}
	section := &zpl.Node{Name: validitySection}
	if !v.NotBefore.IsZero() {
		section.Children = append(section.Children, form.Property("not-before", formatTime(v.NotBefore)))
	}
	if !v.NotAfter.IsZero() {
		section.Children = append(section.Children, form.Property("not-after", formatTime(v.NotAfter)))
	}
	return section
}

// parseValidity reads the section validity.
func parseValidity(section *zpl.Node) (v Validity, err error) {
	values, err := form.Properties(section, "not-before", "not-after")
	if err != nil {
		return v, err
	}
	if v.NotBefore, err = parseTime(values[0]); err != nil {
		return v, err
	}
	if v.NotAfter, err = parseTime(values[1]); err != nil {
		return v, err
	}
	if err := v.checkTimes(); err != nil {
		return v, section.Error(err)
	}
	return v, nil
}

// formatTime writes a time that checkTime accepts.
func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// parseTime reads a time. It is zero if there is no property.
func parseTime(n *zpl.Node) (t time.Time, err error) {
	if n == nil {
		return t, nil
	}
	t, err = time.Parse(timeLayout, n.Value)
	if err != nil || t.IsZero() || formatTime(t) != n.Value {
		return t, n.ValueError(fmt.Errorf("%w: %s: expected a time such as 2026-01-31T23:59:59Z", form.ErrProperty, n.Name))
	}
	return t, nil
}

// checkTime returns an error for a time that a file cannot hold.
func checkTime(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	if year := t.UTC().Year(); year < 1 || year > 9999 || t.Nanosecond() != 0 {
		return fmt.Errorf("%w: time %v: expected whole seconds in the years 1 to 9999", form.ErrProperty, t)
	}
	return nil
}
