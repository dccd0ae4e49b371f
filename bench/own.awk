# own.awk: how many instructions a program executed itself, without those of shared libraries, which differ between machines
# (malloc, memcpy), of each file that callgrind wrote with --compress-strings=no --compress-pos=no. awk -v program=NAME
FNR == 1 { if (NR > 1) print sum; sum = own = 0 }
/^ob=/ { own = $0 ~ "/" program "$"; next }
/^calls=/ { getline; next } # and what the call cost
own && /^[0-9]/ { sum += $2 }
END { print sum }
