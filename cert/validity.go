package cert

import (
	"fmt"
	"time"

	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

// timeLayout is RFC 3339 in UTC and whole seconds: one text for each time.
const timeLayout = "2006-01-02T15:04:05Z"

// Validity is when a certificate is valid, in whole seconds: from NotBefore on
// and before NotAfter. A zero time is no limit.
type Validity struct {
	NotBefore, NotAfter time.Time
}

// Check returns ErrNotYetValid or ErrExpired if a time is outside.
func (v Validity) Check(now time.Time) error {
	if now.Before(v.NotBefore) {
		return fmt.Errorf("cert: %w: not before %s", ErrNotYetValid, formatTime(v.NotBefore))
	}
	if !v.NotAfter.IsZero() && !now.Before(v.NotAfter) {
		return fmt.Errorf("cert: %w: not after %s", ErrExpired, formatTime(v.NotAfter))
	}
	return nil
}

// check refuses times that can't be written.
func (v Validity) check() error {
	for _, t := range []time.Time{v.NotBefore, v.NotAfter} {
		if err := checkTime(t); err != nil {
			return err
		}
	}
	if !v.NotBefore.IsZero() && !v.NotAfter.IsZero() && !v.NotBefore.Before(v.NotAfter) {
		return fmt.Errorf("%w: validity: not-after isn't after not-before", form.ErrProperty)
	}
	return nil
}

// node is the section validity, or nil.
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
	if err := v.check(); err != nil {
		return v, section.Error(err)
	}
	return v, nil
}

// formatTime writes a time that checkTime takes.
func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// parseTime reads a time, which is zero if there is no property.
func parseTime(n *zpl.Node) (t time.Time, err error) {
	if n == nil {
		return t, nil
	}
	t, err = time.Parse(timeLayout, n.Value)
	if err != nil || t.IsZero() || formatTime(t) != n.Value {
		return t, n.ValueError(fmt.Errorf("%w: %s: want a time like 2026-01-31T23:59:59Z", form.ErrProperty, n.Name))
	}
	return t, nil
}

// checkTime refuses a time that a file can't carry.
func checkTime(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	if year := t.UTC().Year(); year < 1 || year > 9999 || t.Nanosecond() != 0 {
		return fmt.Errorf("%w: time %v: want whole seconds in the years 1 to 9999", form.ErrProperty, t)
	}
	return nil
}
