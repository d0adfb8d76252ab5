package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policyOfPage is the Content-Security-Policy: the page consists of its own files and can't be
// framed.
const policyOfPage = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// guard lets through GET and HEAD without a body, to a host that may be named.
func guard(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policyOfPage)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			refuse(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		case r.ContentLength != 0:
			refuse(w, "a request has no body", http.StatusBadRequest)
		case !mayName(host, r.Host):
			refuse(w, "this host is not the one that zauth listens on", http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// refuse ends the connection, so that nobody waits for the rest of the request.
func refuse(w http.ResponseWriter, text string, status int) {
	w.Header().Set("Connection", "close")
	http.Error(w, text, status)
}

// mayName reports whether a request may name this host. A page of another site can make its own
// name resolve to a loopback address, and so read what a browser here can read, but the name
// stays that of the other site. So only IP addresses, localhost and the operator's host are
// accepted.
func mayName(host, named string) bool {
	if h, _, err := net.SplitHostPort(named); err == nil {
		named = h
	}
	if _, err := netip.ParseAddr(strings.Trim(named, "[]")); err == nil {
		return true
	}
	return strings.EqualFold(named, "localhost") || host != "" && strings.EqualFold(named, host)
}
