package cert

import (
	"errors"
	"fmt"
	"strings"

	"github.com/zcurve/zcurve/curve"
	"github.com/zcurve/zcurve/internal/endpoint"
	"github.com/zcurve/zcurve/internal/form"
	"github.com/zcurve/zcurve/internal/zpl"
)

// A Service is what a client needs to connect to a service, besides its own keys. A
// secret certificate with a Service is a bundle: one file that gives a client all it needs.
// The zero value means that a certificate is not a bundle.
type Service struct {
	// Key is the public key of the server, which the client checks.
	Key curve.PublicKey
	// Endpoints are where the service listens, at least one: tcp://HOST:PORT or ipc://PATH,
	// without a double quote.
	Endpoints []string
}

// IsZero reports whether there is no service.
func (s Service) IsZero() bool { return s.Key == curve.PublicKey{} && len(s.Endpoints) == 0 }

// Names of the properties of the section service.
const (
	serverKeyName = "server-key"
	endpointName  = "endpoint"
)

var (
	errServicePublic = fmt.Errorf("%w: section %s is allowed in an unlocked secret certificate only", form.ErrProperty, serviceSection)
	// Programs that read bundles expect double quotes around each value.
	errQuote         = errors.New(`contains a "`)
	errServiceLocked = errors.New("a bundle cannot be locked: the programs that read it cannot ask for a passphrase")
)

// check returns an error for a service that cannot be written.
func (s Service) check() error {
	if s.IsZero() {
		return nil
	}
	if err := s.Key.Check(); err != nil {
		return fmt.Errorf("%s: %w", serverKeyName, err)
	}
	if len(s.Endpoints) == 0 {
		return fmt.Errorf("%w: a service needs an endpoint", form.ErrProperty)
	}
	for _, at := range s.Endpoints {
		if err := checkEndpoint(at); err != nil {
			return err
		}
	}
	return nil
}

// checkEndpoint returns an error for an endpoint that no client can connect to, or that a
// file cannot hold.
func checkEndpoint(at string) error {
	err := endpoint.CheckDial(at)
	if err == nil {
		err = zpl.CheckValue(at)
	}
	if err == nil && strings.Contains(at, `"`) {
		err = errQuote
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", form.ErrProperty, endpointName, err)
	}
	return nil
}

// node returns the section service, or nil.
func (s Service) node() *zpl.Node {
	if s.IsZero() {
		return nil
	}
	section := &zpl.Node{Name: serviceSection, Children: []*zpl.Node{form.Property(serverKeyName, s.Key.String())}}
	for _, at := range s.Endpoints {
		section.Children = append(section.Children, form.Property(endpointName, at))
	}
	return section
}

// parseService reads the section service.
func parseService(section *zpl.Node) (s Service, err error) {
	if section.HasValue {
		return s, section.ValueError(fmt.Errorf("%w: section %s has a value", form.ErrProperty, section.Name))
	}
	hasKey := false
	for _, n := range section.Children {
		switch {
		case len(n.Children) > 0:
			return s, n.Children[0].Error(fmt.Errorf("%w: %s within %s", form.ErrProperty, n.Children[0].Name, n.Name))
		case n.Name == endpointName:
			if err := checkEndpoint(n.Value); err != nil {
				return s, n.ValueError(err)
			}
			s.Endpoints = append(s.Endpoints, n.Value)
		case n.Name != serverKeyName:
			return s, n.Error(fmt.Errorf("%w: unknown in section %s: %s", form.ErrProperty, section.Name, n.Name))
		case hasKey:
			return s, n.Error(fmt.Errorf("%w: duplicate %s", form.ErrProperty, n.Name))
		default:
			if s.Key, err = curve.ParsePublicKey(n.Value); err != nil {
				return s, keyError(n, n.Value, err)
			}
			hasKey = true
		}
	}
	if !hasKey || len(s.Endpoints) == 0 {
		return s, section.Error(fmt.Errorf("%w: section %s needs %s and %s", form.ErrProperty, section.Name, serverKeyName, endpointName))
	}
	return s, nil
}
