package monitor

import "time"

// Labels are what decisions are counted by.
type Labels struct {
	Domain    string `json:"domain"`
	Mechanism string `json:"mechanism"`
	Status    int    `json:"status"`
}

// Count is a number of decisions with the same labels.
type Count struct {
	Labels
	Count uint64 `json:"count"`
}

// Totals are numbers of decisions by status.
type Totals struct {
	Admitted uint64 `json:"admitted"`  // 200
	TryLater uint64 `json:"try_later"` // 300
	Refused  uint64 `json:"refused"`   // 400
	Failed   uint64 `json:"failed"`    // 500
}

// Client is what is known about one identity, account or unknown key.
type Client struct {
	Key         string `json:"key,omitempty"`         // in Z85, if it came by CURVE
	Fingerprint string `json:"fingerprint,omitempty"` // of the key
	Identity    string `json:"identity,omitempty"`    // the policy's name for it; empty for an unknown key
	Login       string `json:"login,omitempty"`       // the user name, if it came by PLAIN or SCRAM
	Principal   string `json:"principal,omitempty"`   // if it came by GSSAPI

	Admitted  *Last     `json:"admitted,omitempty"` // the last admission
	Refused   *Last     `json:"refused,omitempty"`  // the last refusal
	Admits    uint64    `json:"admits"`             // how often it was admitted
	Refusals  uint64    `json:"refusals"`           // how often it was refused
	FirstSeen time.Time `json:"first_seen"`
}

// Last is the last decision of one kind about a client.
type Last struct {
	Time    time.Time `json:"time"`
	Domain  string    `json:"domain"`
	Address string    `json:"address,omitempty"`
	Asker   string    `json:"asker,omitempty"` // the service that asked
	Status  int       `json:"status"`
	Reason  string    `json:"reason,omitempty"` // of a refusal
	Rule    string    `json:"rule,omitempty"`
}
