// Verifies a server's /api/audit with the tools of the Go checksum database, and no code of ours:
// key, checkpoint, entries, tiles, proofs of inclusion and of consistency.
//
// The root is computed from the entries: tlog.TileHashReader leaves some full tiles unauthenticated.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: auditor http://HOST:PORT/api/audit")
	}
	base := os.Args[1]
	verifier, err := note.NewVerifier(strings.TrimSpace(string(get(base, "/key"))))
	must(err, "the key")
	size, root := checkpoint(get(base, "/checkpoint"), verifier)

	tree := &memory{}
	var ids []string
	for first := int64(0); first < size; first += 256 {
		width := min(size-first, 256)
		tile := tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)}
		for _, entry := range entries(get(base, path(tile, "entries"))) {
			var leaf struct{ ID string }
			must(json.Unmarshal(entry, &leaf), "an entry")
			ids = append(ids, leaf.ID)
			tree.add(tlog.RecordHash(entry))
		}
	}
	if tree.size != size {
		log.Fatalf("there are %d entries, and the checkpoint says %d", tree.size, size)
	}
	if tree.root(size) != root {
		log.Fatal("the entries do not have the checkpoint's root")
	}

	tiles := 0
	for _, tile := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(tile, tree)
		must(err, "a tile of the entries")
		if !bytes.Equal(data, get(base, path(tile, strconv.Itoa(tile.L)))) {
			log.Fatalf("tile %s is not that of the entries", tile.Path())
		}
		tiles++
	}

	step := max(size/40, 1)
	for index := int64(0); index < size; index += step {
		inclusion(get(base, "/proof?event="+ids[index]), index, verifier, tree)
	}
	for from := int64(1); from <= size; from += step {
		consistency(get(base, fmt.Sprintf("/proof?from=%d", from)), from, verifier, tree)
	}
	fmt.Printf("verified %d entries in %d tiles\n", size, tiles)
}

func must(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func get(base, path string) []byte {
	answer, err := http.Get(base + path)
	must(err, path)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(err, path)
	if answer.StatusCode != 200 {
		log.Fatalf("%s: %s: %s", path, answer.Status, body)
	}
	return body
}

// path is that of C2SP tlog-tiles: as Go's, without the height.
func path(tile tlog.Tile, level string) string {
	return "/tile/" + level + "/" + strings.SplitN(tile.Path(), "/", 4)[3]
}

func checkpoint(message []byte, verifier note.Verifier) (int64, tlog.Hash) {
	signed, err := note.Open(message, note.VerifierList(verifier))
	must(err, "the checkpoint")
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		log.Fatalf("the checkpoint is of %q", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err, "the checkpoint's size")
	root, err := tlog.ParseHash(lines[2])
	must(err, "the checkpoint's root")
	return size, root
}

func entries(bundle []byte) (entries [][]byte) {
	for len(bundle) > 0 {
		if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
			log.Fatal("a bundle breaks off")
		}
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		entries, bundle = append(entries, bundle[2:end]), bundle[end:]
	}
	return entries
}

// parts are a proof's hashes, behind its head, and its checkpoint.
func parts(text []byte, head string) ([]tlog.Hash, []byte) {
	before, checkpoint, found := strings.Cut(string(text), "\n\n")
	if !found || !strings.HasPrefix(before+"\n", head) {
		log.Fatalf("it is no proof: %q", text)
	}
	var hashes []tlog.Hash
	for _, line := range strings.Split(strings.TrimPrefix(before+"\n", head), "\n") {
		if line != "" {
			hash, err := tlog.ParseHash(line)
			must(err, "a proof")
			hashes = append(hashes, hash)
		}
	}
	return hashes, []byte(checkpoint)
}

func inclusion(text []byte, index int64, verifier note.Verifier, tree *memory) {
	extra, after, _ := strings.Cut(strings.TrimPrefix(string(text), "c2sp.org/tlog-proof@v1\nextra "), "\n")
	leaf, err := base64.StdEncoding.DecodeString(extra)
	must(err, "a proof's leaf")
	hashes, note := parts([]byte(after), fmt.Sprintf("index %d\n", index))
	size, root := checkpoint(note, verifier)
	err = tlog.CheckRecord(hashes, size, root, index, tlog.RecordHash(leaf))
	must(err, fmt.Sprintf("record %d", index))
	if tlog.RecordHash(leaf) != tree.leaf(index) {
		log.Fatalf("the proof of record %d is of another leaf", index)
	}
}

func consistency(text []byte, from int64, verifier note.Verifier, tree *memory) {
	hashes, note := parts(text, fmt.Sprintf("old %d\n", from))
	size, root := checkpoint(note, verifier)
	err := tlog.CheckTree(hashes, size, root, from, tree.root(from))
	must(err, fmt.Sprintf("from size %d to %d", from, size))
}

// memory is a tree whose stored hashes are all in memory.
type memory struct {
	size   int64
	hashes []tlog.Hash
}

func (tree *memory) add(leaf tlog.Hash) {
	hashes, err := tlog.StoredHashesForRecordHash(tree.size, leaf, tree)
	must(err, "the tree")
	tree.hashes = append(tree.hashes, hashes...)
	tree.size++
}

func (tree *memory) leaf(index int64) tlog.Hash {
	return tree.hashes[tlog.StoredHashIndex(0, index)]
}

func (tree *memory) root(size int64) tlog.Hash {
	root, err := tlog.TreeHash(size, tree)
	must(err, "the tree")
	return root
}

func (tree *memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		found = append(found, tree.hashes[index])
	}
	return found, nil
}
